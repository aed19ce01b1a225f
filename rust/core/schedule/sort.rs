// SPDX-License-Identifier: GPL-2.0

//! Sorting in place. The standard library's sort has a panic for keys that are no order, which the
//! kernel's objtool does not know to end there.

/// Sorts by a key; of equal ones any comes first. A heap sort: n log n steps at most for n items, and
/// n for those that are in order, as destinations mostly are that were added one after another.
pub(crate) fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    if items.is_sorted_by_key(&key) {
        return;
    }
    let len = items.len();
    for root in (0..len.div_ceil(2)).rev() {
        sift_down(items, root, &key);
    }
    for end in (1..len).rev() {
        swap(items, 0, end);
        if let Some(heap) = items.get_mut(..end) {
            sift_down(heap, 0, &key);
        }
    }
}

/// Moves the item at `root` down to where no item below it is larger.
fn sift_down<T, K: Ord>(heap: &mut [T], mut root: usize, key: &impl Fn(&T) -> K) {
    loop {
        let first = root.saturating_mul(2).saturating_add(1);
        let children = [first, first.saturating_add(1)].into_iter();
        let with_key = |at: usize| heap.get(at).map(|item| (key(item), at));
        let Some(largest) = children.filter_map(with_key).max() else {
            return;
        };
        if with_key(root).is_none_or(|root| root.0 >= largest.0) {
            return;
        }
        swap(heap, root, largest.1);
        root = largest.1;
    }
}

/// Exchanges two items, the first of which is before the second; without the panic of the standard
/// library's function.
fn swap<T>(items: &mut [T], first: usize, second: usize) {
    let Some((before, after)) = items.split_at_mut_checked(second) else {
        return;
    };
    if let (Some(first), Some(second)) = (before.get_mut(first), after.first_mut()) {
        core::mem::swap(first, second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn sorts_as_the_standard_library_does() {
        let mut seed = 1_u32;
        for len in (0..70).chain([1000]) {
            let mut random = || {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Some are equal.
                seed >> 24
            };
            let mut items: Vec<u32> = (0..len).map(|_| random()).collect();
            let mut expected = items.clone();
            expected.sort_unstable_by_key(|item| u32::MAX - item);
            for _ in 0..2 {
                sort_by_key(&mut items, |item| u32::MAX - item);
                assert_eq!(items, expected);
            }
        }
    }
}
