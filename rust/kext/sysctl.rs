// SPDX-License-Identifier: GPL-2.0

//! Sysctls of a network namespace.
//!
//! C header: [`include/linux/sysctl.h`](srctree/include/linux/sysctl.h)
//!
//! Upstream: none at present.

use crate::{bindings, inet::Net, once::Once};
use core::ptr::NonNull;
use kernel::{
    prelude::*,
    str::{as_char_ptr_in_const_context, CStr},
    sync::atomic::{Atomic, Relaxed},
};

/// One sysctl: its file's name, its default, and the values that it takes.
#[repr(transparent)]
pub struct Spec(bindings::rlvs_sysctl);

// SAFETY: A specification is constant data: numbers and a pointer to a static string.
unsafe impl Sync for Spec {}

impl Spec {
    /// A sysctl that takes the values from `min` to `max`.
    pub const fn new(name: &'static CStr, default: i32, min: i32, max: i32) -> Self {
        Self(bindings::rlvs_sysctl {
            name: as_char_ptr_in_const_context(name),
            kind: bindings::rlvs_sysctl_kind_RLVS_SYSCTL_NUMBER,
            first: default,
            others: default,
            min,
            max,
            capped: false,
            host_only: false,
        })
    }

    /// One that takes any number.
    pub const fn any(name: &'static CStr, default: i32) -> Self {
        Self::new(name, default, i32::MIN, i32::MAX)
    }

    /// One that takes 1, 2, 4 and so on.
    pub const fn power_of_two(name: &'static CStr, default: i32) -> Self {
        let kind = bindings::rlvs_sysctl_kind_RLVS_SYSCTL_POWER_OF_2;
        Self::new(name, default, 1, i32::MAX).of_kind(kind)
    }

    /// Seconds, as many as the kernel can count in ticks of its clock; its default is 0. The value
    /// is in ticks.
    pub const fn seconds(name: &'static CStr) -> Self {
        Self::any(name, 0).of_kind(bindings::rlvs_sysctl_kind_RLVS_SYSCTL_SECONDS)
    }

    /// Two numbers, neither negative, the second one larger than the first, or 0. For a file
    /// that only shows what was written to it: the module has no value. At most one of a list.
    pub const fn pair(name: &'static CStr, first: i32, second: i32) -> Self {
        Self::new(name, 0, first, second).of_kind(bindings::rlvs_sysctl_kind_RLVS_SYSCTL_PAIR)
    }

    /// A number of pages, by default one of 32 that are free for buffers when the namespace is made.
    /// As [`Spec::pair`] without a value, and at most one.
    pub const fn pages(name: &'static CStr) -> Self {
        Self::any(name, 0).of_kind(bindings::rlvs_sysctl_kind_RLVS_SYSCTL_PAGES)
    }

    /// A list of processors, by default those on which the kernel's threads run. As [`Spec::pair`]
    /// without a value, and at most one.
    pub const fn processors(name: &'static CStr) -> Self {
        Self::any(name, 0).of_kind(bindings::rlvs_sysctl_kind_RLVS_SYSCTL_CPUS)
    }

    /// The same with another default in network namespaces that are not the first one.
    pub const fn elsewhere(self, default: i32) -> Self {
        let Self(mut spec) = self;
        spec.others = default;
        Self(spec)
    }

    /// The same, but an administrator of the namespace who is not the host's (CAP_NET_ADMIN in the
    /// initial user namespace) may set it to its cap at most: to the default, or to what the host's
    /// administrator has set there last.
    pub const fn capped(self) -> Self {
        let Self(mut spec) = self;
        spec.capped = true;
        Self(spec)
    }

    /// Makes it read-only in network namespaces that belong to another user namespace than the
    /// initial one.
    pub const fn host_only(self) -> Self {
        let Self(mut spec) = self;
        spec.host_only = true;
        Self(spec)
    }

    const fn of_kind(self, kind: bindings::rlvs_sysctl_kind) -> Self {
        let Self(mut spec) = self;
        spec.kind = kind;
        Self(spec)
    }
}

/// `N` sysctls of one namespace, which are there while this value lives.
///
/// # Invariants
///
/// `raw` is a registration of `N` files that write to `values` and `caps`, ended only by
/// dropping this.
pub struct Sysctls<const N: usize> {
    raw: NonNull<bindings::rlvs_sysctls>,
    values: KBox<[Atomic<i32>; N]>,
    /// For C alone.
    _caps: KBox<[Atomic<i32>; N]>,
}

// SAFETY: The registration may be ended by any thread.
unsafe impl<const N: usize> Send for Sysctls<N> {}

// SAFETY: Shared, only the values are used, which are atomics.
unsafe impl<const N: usize> Sync for Sysctls<N> {}

impl<const N: usize> Sysctls<N> {
    /// Makes the files in the folder `path`, below /proc/sys, with their defaults.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    ///
    /// # Context
    ///
    /// Process context; may sleep. The value must be dropped while the namespace is alive or being
    /// taken down.
    pub fn new(net: &Net, path: &'static CStr, specs: &'static [Spec; N]) -> Result<Self> {
        let zeros = || KBox::new([0; N].map(Atomic::new), GFP_KERNEL);
        let (values, caps) = (zeros()?, zeros()?);
        let count = u32::try_from(N).map_err(|_| EINVAL)?;
        // SAFETY: The namespace is alive while `net` is borrowed; path, names and limits are
        // static; values and caps are `N` atomics each, which C sets before there is a file, then
        // reads and writes by `READ_ONCE` and `WRITE_ONCE` alone, in memory that is freed after the
        // registration has ended.
        let raw = unsafe {
            bindings::rlvs_sysctl_register(
                net.as_ptr(),
                path.as_char_ptr(),
                // CAST: `Spec` is a transparent wrapper.
                specs.as_ptr().cast(),
                count,
                // CAST: `Atomic<i32>` is a transparent wrapper whose inside may be written to.
                values.as_ptr().cast_mut().cast(),
                // CAST: As above.
                caps.as_ptr().cast_mut().cast(),
            )
        };
        Ok(Self {
            raw: NonNull::new(raw).ok_or(ENOMEM)?,
            values,
            _caps: caps,
        })
    }

    /// The value of the sysctl `index` of the list; 0 for one that is not in it.
    #[inline]
    pub fn get(&self, index: usize) -> i32 {
        self.values.get(index).map_or(0, Once::read_once)
    }

    /// Sets the sysctl `index` to `new` if it still is `old`: what an operator has written
    /// meanwhile stays.
    pub fn replace(&self, index: usize, old: i32, new: i32) {
        if let Some(value) = self.values.get(index) {
            // The other value is as good: it is looked at again in time.
            let _ = value.cmpxchg(old, new, Relaxed);
        }
    }
}

impl<const N: usize> Drop for Sysctls<N> {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant the registration is in force, and this ends it. The
        // values are freed after this, when nobody reads or writes the files any more.
        unsafe { bindings::rlvs_sysctl_unregister(self.raw.as_ptr()) };
    }
}
