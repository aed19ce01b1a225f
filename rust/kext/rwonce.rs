// SPDX-License-Identifier: GPL-2.0

//! Loads and stores that are one instruction each.
//!
//! `Atomic::load(Relaxed)` is `READ_ONCE()` and `Atomic::store(Relaxed)` is `WRITE_ONCE()`, but
//! each of them calls a C function unless the kernel was built with `CONFIG_RUST_INLINE_HELPERS`,
//! which distributions do not set. A packet needs more than a dozen of them.
//!
//! C header: [`include/asm-generic/rwonce.h`](srctree/include/asm-generic/rwonce.h)
//!
//! Upstream: none; not needed once the helpers are inlined.

use core::mem::size_of;
use kernel::sync::atomic::Atomic;

/// Unordered access to an atomic, next to the operations that it has itself.
pub trait Once<T> {
    /// Returns the value (`READ_ONCE`). Any context.
    fn read_once(&self) -> T;

    /// Sets the value (`WRITE_ONCE`). Any context.
    fn write_once(&self, value: T);
}

macro_rules! impl_once {
    ($($type:ty),*) => {$(
        // A larger one would be read and written in parts.
        const _: () = assert!(size_of::<$type>() <= size_of::<usize>());

        impl Once<$type> for Atomic<$type> {
            #[inline(always)]
            fn read_once(&self) -> $type {
                // SAFETY: The pointer is valid and aligned, as the type guarantees, and what is
                // there is always a value of the type. A writer meanwhile uses an atomic
                // or a volatile store, which is one instruction, as the type is no larger
                // than a machine word: a volatile load is no data race with that in the kernel's
                // memory model.
                unsafe { self.as_ptr().read_volatile() }
            }

            #[inline(always)]
            fn write_once(&self, value: $type) {
                // SAFETY: The pointer is valid and aligned, as the type guarantees, and what is
                // there may be written to through a shared reference. A reader or writer
                // meanwhile uses an atomic or volatile access, which is one instruction, as
                // the type is no larger than a machine word: a volatile store is no data race with
                // that in the kernel's memory model.
                unsafe { self.as_ptr().write_volatile(value) }
            }
        }
    )*};
}

impl_once!(bool, i32, u32, u64);
