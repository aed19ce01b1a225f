// SPDX-License-Identifier: GPL-2.0

//! Memory for schedulers, which the caller gives.

use core::ops::DerefMut;

/// Where the memory of schedulers comes from: the kernel's allocator or the host's.
pub trait Memory {
    /// A slice that is given back when it is dropped.
    type Slice<T: Copy>: DerefMut<Target = [T]>;

    /// Returns a slice of `len` copies of `value`; `None` when memory is short. May sleep.
    fn filled<T: Copy>(value: T, len: usize) -> Option<Self::Slice<T>>;
}
