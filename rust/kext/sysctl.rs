// SPDX-License-Identifier: GPL-2.0

//! Integer sysctls of a network namespace.
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

/// One sysctl: its file's name, and the values that it takes.
#[repr(transparent)]
pub struct Spec(bindings::rlvs_sysctl);

// SAFETY: A specification is constant data: numbers and a pointer to a static string.
unsafe impl Sync for Spec {}

impl Spec {
    /// A sysctl that takes the values from `min` to `max`.
    pub const fn new(name: &'static CStr, min: i32, max: i32) -> Self {
        Self(bindings::rlvs_sysctl {
            name: as_char_ptr_in_const_context(name),
            min,
            max,
            capped: false,
        })
    }

    /// The same, but an administrator of the namespace who is not the host's (CAP_NET_ADMIN in the
    /// initial user namespace) may set it to its cap at most: to the default, or to what the host's
    /// administrator has set there last.
    pub const fn capped(name: &'static CStr, min: i32, max: i32) -> Self {
        let Self(mut spec) = Self::new(name, min, max);
        spec.capped = true;
        Self(spec)
    }
}

/// `N` sysctls of one namespace, which are there while this value lives.
///
/// # Invariants
///
/// `header` is a registration of `N` files that write to `values` and `caps`, ended only by
/// dropping this.
pub struct Sysctls<const N: usize> {
    header: NonNull<bindings::ctl_table_header>,
    values: KBox<[Atomic<i32>; N]>,
    /// For C alone.
    _caps: KBox<[Atomic<i32>; N]>,
}

// SAFETY: The registration may be ended by any thread.
unsafe impl<const N: usize> Send for Sysctls<N> {}

// SAFETY: Shared, only the values are used, which are atomics.
unsafe impl<const N: usize> Sync for Sysctls<N> {}

impl<const N: usize> Sysctls<N> {
    /// Makes the files in the folder `path`, below /proc/sys, with the values `defaults`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    ///
    /// # Context
    ///
    /// Process context; may sleep. The value must be dropped while the namespace is alive or being
    /// taken down.
    pub fn new(
        net: &Net,
        path: &'static CStr,
        specs: &'static [Spec; N],
        defaults: [i32; N],
    ) -> Result<Self> {
        let values = KBox::new(defaults.map(Atomic::new), GFP_KERNEL)?;
        let caps = KBox::new(defaults.map(Atomic::new), GFP_KERNEL)?;
        let count = u32::try_from(N).map_err(|_| EINVAL)?;
        // SAFETY: The namespace is alive while `net` is borrowed; path, names and limits are
        // static; values and caps are `N` atomics each, which C reads and writes by `READ_ONCE` and
        // `WRITE_ONCE` alone, in memory that is freed after the registration has ended.
        let header = unsafe {
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
            header: NonNull::new(header).ok_or(ENOMEM)?,
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
        unsafe { bindings::rlvs_sysctl_unregister(self.header.as_ptr()) };
    }
}
