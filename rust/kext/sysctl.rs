// SPDX-License-Identifier: GPL-2.0

//! Sysctls of a network namespace.
//!
//! C header: [`include/linux/sysctl.h`](srctree/include/linux/sysctl.h)
//!
//! Upstream: none at present.

use crate::{bindings, memory::KEPT, net::Net, rwonce::Once};
use core::ptr::NonNull;
use kernel::{
    prelude::*,
    str::{as_char_ptr_in_const_context, CStr},
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
    },
};

/// One sysctl: its file's name, its default, and the values that it takes.
#[repr(transparent)]
pub struct Spec(bindings::rlvs_sysctl);

// SAFETY: A specification is constant data: numbers, and pointers to a static string and to a static
// atomic.
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
            shared: core::ptr::null_mut(),
        })
    }

    /// A sysctl that takes any number.
    pub const fn any(name: &'static CStr, default: i32) -> Self {
        Self::new(name, default, i32::MIN, i32::MAX)
    }

    /// A sysctl that takes 1, 2, 4 and so on.
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

    /// A number of pages, by default one of 32 that are free for buffers when the namespace is
    /// made. The module has no value of it. At most one of a list.
    pub const fn pages(name: &'static CStr) -> Self {
        Self::any(name, 0).of_kind(bindings::rlvs_sysctl_kind_RLVS_SYSCTL_PAGES)
    }

    /// A list of processors, by default those on which the kernel's threads run. The module
    /// has no value of it. At most one of a list.
    pub const fn processors(name: &'static CStr) -> Self {
        Self::any(name, 0).of_kind(bindings::rlvs_sysctl_kind_RLVS_SYSCTL_CPUS)
    }

    /// One value for all namespaces together, which only the host's administrator (CAP_NET_ADMIN in
    /// the initial user namespace) may set, in the first namespace; others show it. Its
    /// default is what `value` has. Read `value` itself: [`Sysctls::get`] does not know it.
    pub const fn shared(name: &'static CStr, value: &'static Atomic<i32>, max: i32) -> Self {
        let Self(mut spec) = Self::new(name, 0, 0, max);
        // CAST: `Atomic<i32>` is a transparent wrapper whose inside may be written to.
        spec.shared = core::ptr::from_ref(value).cast_mut().cast();
        Self(spec)
    }

    /// Sets another default in network namespaces that are not the first one.
    pub const fn elsewhere(self, default: i32) -> Self {
        let Self(mut spec) = self;
        spec.others = default;
        Self(spec)
    }

    /// Caps the sysctl: an administrator of the namespace that is not the host's (CAP_NET_ADMIN in
    /// the initial user namespace) may set it to its cap at most: to the default, or to what the
    /// host's administrator has set there last.
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

/// The values that `N` sysctls have.
struct Numbers<const N: usize> {
    /// Guarded by: atomic; written by `/proc` and the periodic work.
    values: [Atomic<i32>; N],
    /// For C alone.
    /// Guarded by: atomic; written by `/proc`.
    caps: [Atomic<i32>; N],
}

/// The values of `N` sysctls of one namespace, [`Setup::sysctls`](crate::netns::Setup::sysctls). They
/// may be kept for longer than the files are there, which end with the namespace's state.
pub struct Sysctls<const N: usize>(Arc<Numbers<N>>);

/// The files of a list of sysctls, which are there while this value lives.
///
/// # Invariants
///
/// `raw` is a registration, ended only by dropping this, whose files write to `_numbers` and nothing
/// else that Rust has. The namespace lives for longer than this value.
pub(crate) struct Files {
    raw: NonNull<bindings::rlvs_sysctls>,
    _numbers: Arc<dyn Send + Sync>,
}

// SAFETY: The registration may be ended by any thread.
unsafe impl Send for Files {}

// SAFETY: Nothing can be done with a shared reference.
unsafe impl Sync for Files {}

impl<const N: usize> Sysctls<N> {
    /// Makes the files in the folder `path`, below /proc/sys, with their defaults.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    ///
    /// # Context
    ///
    /// Process context; may sleep.
    ///
    /// # Safety
    ///
    /// The files must be dropped while the namespace is alive or being taken down, before it frees
    /// its own sysctls: in `exit` of `struct pernet_operations` at the latest.
    pub(crate) unsafe fn new(
        net: &Net,
        path: &'static CStr,
        specs: &'static [Spec; N],
    ) -> Result<(Self, Files)> {
        let zeros = || [0; N].map(Atomic::new);
        let numbers = Numbers {
            values: zeros(),
            caps: zeros(),
        };
        let numbers = Arc::new(numbers, KEPT)?;
        let (values, caps) = (&raw const numbers.values, &raw const numbers.caps);
        let count = u32::try_from(N).map_err(|_| EINVAL)?;
        // SAFETY: The namespace is alive while `net` is borrowed, and the caller promises that it
        // is until the registration has ended. Path, names and limits are static. Values and caps
        // are `N` atomics each, which C sets before there is a file, then reads and writes by
        // `READ_ONCE` and `WRITE_ONCE` alone, in memory that is freed after the registration has
        // ended.
        let raw = unsafe {
            bindings::rlvs_sysctl_register(
                net.as_ptr(),
                path.as_char_ptr(),
                // CAST: `Spec` is a transparent wrapper.
                specs.as_ptr().cast(),
                count,
                // CAST: `Atomic<i32>` is a transparent wrapper whose inside may be written to.
                values.cast_mut().cast(),
                // CAST: `Atomic<i32>` is a transparent wrapper whose inside may be written to.
                caps.cast_mut().cast(),
            )
        };
        // INVARIANT: The registration has just been made with these numbers, and the caller promises
        // the rest.
        let files = Files {
            raw: NonNull::new(raw).ok_or(ENOMEM)?,
            _numbers: numbers.clone(),
        };
        Ok((Self(numbers), files))
    }

    /// Returns the value of the sysctl `index` of the list; 0 for one that is not in it. Any
    /// context.
    #[inline]
    pub fn get(&self, index: usize) -> i32 {
        self.0.values.get(index).map_or(0, Once::read_once)
    }

    /// Lowers the sysctl `index` and its cap to `most`, before it is set for the first time.
    pub fn lower(&self, index: usize, most: i32) {
        for all in [&self.0.values, &self.0.caps] {
            if let Some(value) = all.get(index) {
                value.store(value.load(Relaxed).min(most), Relaxed);
            }
        }
    }

    /// Sets the sysctl `index` to `new` if it still is `old`: what an operator has written
    /// meanwhile stays.
    pub fn replace(&self, index: usize, old: i32, new: i32) {
        if let Some(value) = self.0.values.get(index) {
            // The other value is as good: it is looked at again in time.
            let _ = value.cmpxchg(old, new, Relaxed);
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant the registration is in force, and the namespace still has
        // what it is in. This ends it, and waits for reads and writes of the files: the numbers are
        // freed after this.
        unsafe { bindings::rlvs_sysctl_unregister(self.raw.as_ptr()) };
    }
}
