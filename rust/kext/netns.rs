// SPDX-License-Identifier: GPL-2.0

//! The module's state in each network namespace: its hooks and its periodic work.
//!
//! A namespace's state is made when the namespace is (or the module loaded) and freed when it goes
//! (or the module is unloaded). The hooks and the periodic work use the state without counting
//! references; this file makes sure that they have ended before it is freed.
//!
//! C headers: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h),
//! [`include/net/netns/generic.h`](srctree/include/net/netns/generic.h),
//! [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)
//!
//! Upstream: none. Can go when there are `pernet_operations` and cancellable work.

use crate::{bindings, memory::KEPT, net::Net, netfilter::HookSpec, sysctl};
use core::cell::Cell;
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::{
    error::{from_err_ptr, from_result, to_result},
    ffi::{c_int, c_void},
    new_mutex,
    prelude::*,
    sync::Mutex,
};

/// The state of one network namespace.
pub trait Namespace: Send + Sync + Sized + 'static {
    /// The hooks, registered while [`Handle::attach`] is in force.
    const HOOKS: &'static [HookSpec<Self>];

    /// The files of the namespace below `/proc/net`.
    const FILES: &'static [FileSpec<Self>];

    /// Time between two calls of [`tick`](Self::tick), in milliseconds.
    const TICK_MS: u32;

    /// What the states of all namespaces are made with.
    type Shared: Send + Sync + 'static;

    /// Prepares the state of a new namespace, which is alive when it is made and until the state
    /// was dropped.
    fn new(setup: &Setup<'_, Self>) -> impl PinInit<Self, Error>;

    /// Periodic work, while the hooks are registered.
    ///
    /// # Context
    ///
    /// Process context; may sleep. Never twice at once for one namespace.
    fn tick(ns: &Handle<'_, Self>);
}

/// A namespace's state and what surrounds it, pinned in memory for as long as the namespace lives.
#[pin_data]
struct Slot<T> {
    /// The registered hooks.
    /// Guarded by: itself, the hooks mutex.
    #[pin]
    hooks: Mutex<Option<Registered>>,
    /// The sysctls' files, if the state has any.
    _sysctls: Option<sysctl::Files>,
    #[pin]
    state: T,
}

/// A namespace whose state is being made, and what it can be made with.
pub struct Setup<'a, T: Namespace> {
    net: &'a Net,
    shared: &'a T::Shared,
    /// What [`Setup::sysctls`] has made, for the slot.
    sysctls: &'a Cell<Option<sysctl::Files>>,
}

impl<T: Namespace> Setup<'_, T> {
    /// Returns the namespace.
    pub fn net(&self) -> &Net {
        self.net
    }

    /// Returns what [`Registration::new`] was given.
    pub fn shared(&self) -> &T::Shared {
        self.shared
    }

    /// Makes sysctls in the folder `path`, below /proc/sys, with their defaults. Their files end
    /// when the state does.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, or `EBUSY` if the namespace has some already.
    ///
    /// # Context
    ///
    /// Process context; may sleep.
    pub fn sysctls<const N: usize>(
        &self,
        path: &'static CStr,
        specs: &'static [sysctl::Spec; N],
    ) -> Result<sysctl::Sysctls<N>> {
        if let Some(files) = self.sysctls.take() {
            self.sysctls.set(Some(files));
            return Err(EBUSY);
        }
        // SAFETY: `init` drops the files itself if there is to be no state, and otherwise puts them
        // beside it, to be dropped with it in `exit`: while the namespace is being taken down.
        let (sysctls, files) = unsafe { sysctl::Sysctls::new(self.net, path, specs) }?;
        self.sysctls.set(Some(files));
        Ok(sysctls)
    }
}

/// What C gave for registered hooks.
struct Registered(NonNull<bindings::rlvs_hooks>);

/// Hooks that were unregistered and may still be running. Dropping it waits until none does; sleeps
/// for a grace period.
#[must_use = "hooks may still be running until this is dropped"]
pub struct Detached(Registered);

impl Detached {
    /// Does not wait: their memory is freed after a grace period. For `pre_exit`, after which what
    /// they use lasts for one.
    fn leave(self) {
        let Registered(ops) = core::mem::ManuallyDrop::new(self).0;
        // SAFETY: The hooks were unregistered before this value was made, which is not dropped.
        unsafe { bindings::rlvs_hooks_free_later(ops.as_ptr()) };
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        let Registered(ops) = self.0;
        // SAFETY: The hooks were unregistered before this value was made, which is freed once.
        unsafe { bindings::rlvs_hooks_free(ops.as_ptr()) };
    }
}

// SAFETY: The pointer is only handed back to C, from whichever thread unregisters.
unsafe impl Send for Registered {}

/// A namespace that is alive, with its state.
///
/// It is lent to what runs in process context and may sleep: functions that need this take a handle,
/// which hooks have not. It is no proof that no read-side section was begun since, or bottom halves
/// turned off.
pub struct Handle<'a, T: Namespace> {
    /// # Invariants
    ///
    /// Valid during `'a`; its `state` is a `Slot<T>` that was not yet freed.
    raw: NonNull<bindings::rlvs_netns>,
    slot: &'a Slot<T>,
    net: &'a Net,
}

impl<'a, T: Namespace> Handle<'a, T> {
    /// Borrows a namespace that C names.
    ///
    /// # Safety
    ///
    /// `raw` must be valid and its namespace alive during `'a`, and its `state` must have been set
    /// by [`init`] of the same `T` and not yet been freed by [`exit`]. The caller must be in process
    /// context and may sleep.
    pub(crate) unsafe fn from_raw(raw: NonNull<bindings::rlvs_netns>) -> Self {
        // SAFETY: The caller promises that `raw` is valid.
        let (state, net) = unsafe { ((*raw.as_ptr()).state, (*raw.as_ptr()).net) };
        Self {
            raw,
            // SAFETY: The caller promises that `state` is a `Slot<T>` that lives during `'a`.
            slot: unsafe { &*state.cast::<Slot<T>>() },
            // SAFETY: The caller promises that the namespace is alive during `'a`.
            net: unsafe { Net::from_raw(net) },
        }
    }

    /// Returns the state.
    pub fn state(&self) -> &'a T {
        &self.slot.state
    }

    /// Returns the namespace itself.
    pub fn net(&self) -> &'a Net {
        self.net
    }

    /// Registers the hooks and starts the periodic work, unless that was done. Where the kernel has
    /// no IPv6 ([`crate::net::has_ipv6`]), no hook sees its packets.
    ///
    /// # Context
    ///
    /// Process context; may sleep.
    pub fn attach(&self) -> Result {
        let mut hooks = self.slot.hooks.lock();
        if hooks.is_some() {
            return Ok(());
        }
        let state: *const T = &self.slot.state;
        // SAFETY: The namespace is alive; the table is static and has this many lines; the
        // trampolines take `priv` for a `T`, which it is, and `pre_exit` unregisters the hooks
        // before `exit` frees it.
        let registered = from_err_ptr(unsafe {
            bindings::rlvs_hooks_register(
                self.net.as_ptr(),
                HookSpec::as_raw(T::HOOKS),
                hook_count::<T>(),
                state.cast_mut().cast(),
            )
        })?;
        *hooks = NonNull::new(registered).map(Registered);
        // SAFETY: `init` has made the files, and `pre_exit` removes them when no handle is left.
        unsafe { own_files::<T>(self.raw) };
        self.schedule_tick();
        Ok(())
    }

    /// Unregisters the hooks, if they are registered. Those that run go on until what is returned
    /// was dropped. The periodic work ends with the present or next tick.
    ///
    /// # Context
    ///
    /// Process context; may sleep.
    pub fn detach(&self) -> Option<Detached> {
        // Held until they are unregistered: no packet is to pass two sets of hooks.
        let mut hooks = self.slot.hooks.lock();
        let registered = hooks.take()?;
        // SAFETY: The namespace is alive, the pointer came from registering hooks in it, and taking
        // it out of the option makes this the only time that they are unregistered. Hooks that run
        // use the state: `exit` frees it after a grace period that begins after `pre_exit`.
        unsafe { bindings::rlvs_hooks_unregister(self.net.as_ptr(), registered.0.as_ptr()) };
        Some(Detached(registered))
    }

    /// Returns `true` once the end of the namespace, or of the module, waits for the periodic work:
    /// what takes long is to be given up. Any context.
    pub fn is_ending(&self) -> bool {
        // SAFETY: `raw` is valid by the type's invariant.
        unsafe { bindings::rlvs_netns_is_ending(self.raw.as_ptr()) }
    }

    fn attached(&self) -> bool {
        self.slot.hooks.lock().is_some()
    }

    fn schedule_tick(&self) {
        // SAFETY: `raw` is valid and its work was initialised with the namespace; after
        // `pre_exit` has disabled the work this does nothing.
        unsafe { bindings::rlvs_netns_schedule_tick(self.raw.as_ptr(), T::TICK_MS) };
    }
}

/// Number of hooks, as C counts them.
fn hook_count<T: Namespace>() -> u32 {
    const { assert!(T::HOOKS.len() <= 64) };
    T::HOOKS.len() as u32
}

/// One line of [`Namespace::FILES`]: a file of a namespace whose state is a `T`.
#[repr(transparent)]
pub struct FileSpec<T> {
    raw: &'static bindings::rlvs_proc_ops,
    state: PhantomData<fn(&T)>,
}

impl<T: Namespace> FileSpec<T> {
    /// The line for a file with these callbacks.
    ///
    /// # Safety
    ///
    /// The callbacks must be sound to call for a namespace whose state is a `T`, between the making
    /// of that and its end, in process context, and with what their own `open` has returned.
    pub(crate) const unsafe fn from_raw(raw: &'static bindings::rlvs_proc_ops) -> Self {
        Self {
            raw,
            state: PhantomData,
        }
    }
}

/// Number of files, as C counts them.
fn file_count<T: Namespace>() -> u32 {
    const { assert!(T::FILES.len() <= 64) };
    T::FILES.len() as u32
}

/// Makes the files of a namespace.
///
/// # Errors
///
/// `ENOMEM`; then there are none.
///
/// # Safety
///
/// `ns` must be valid, its namespace being made, and its state a `T` that lives until
/// [`remove_files`].
unsafe fn create_files<T: Namespace>(ns: NonNull<bindings::rlvs_netns>) -> Result {
    // SAFETY: The caller promises `ns`; the callbacks are static and for a state of type `T`; a
    // line is a transparent wrapper of a reference.
    to_result(unsafe {
        bindings::rlvs_proc_register(ns.as_ptr(), T::FILES.as_ptr().cast(), file_count::<T>())
    })
}

/// Gives the private files of a namespace to its root, which it may not have had when it was made.
///
/// # Safety
///
/// `ns` must be valid, and this called between the begin of [`create_files`] and that of
/// [`remove_files`] of the same `T`, or in one of their files.
unsafe fn own_files<T: Namespace>(ns: NonNull<bindings::rlvs_netns>) {
    // SAFETY: The caller promises it.
    unsafe { bindings::rlvs_proc_own(ns.as_ptr(), file_count::<T>()) };
}

/// Removes the files of a namespace; no callback of theirs runs afterwards, and what readers had is
/// freed.
///
/// # Safety
///
/// `ns` must be valid, and this the only call after [`create_files`] of the same `T`; if that has
/// failed, there is nothing to remove.
unsafe fn remove_files<T: Namespace>(ns: NonNull<bindings::rlvs_netns>) {
    // SAFETY: The caller promises it.
    unsafe { bindings::rlvs_proc_unregister(ns.as_ptr(), file_count::<T>()) };
}

/// Keeps a state of type `T` in every network namespace while it lives.
pub struct Registration<T: Namespace> {
    // Dropped after the states, which end in `drop`, and boxed as C has its address.
    _shared: KBox<T::Shared>,
    states: PhantomData<T>,
}

impl<T: Namespace> Registration<T> {
    const OPS: &'static bindings::rlvs_netns_ops = &bindings::rlvs_netns_ops {
        init: Some(init::<T>),
        pre_exit: Some(pre_exit::<T>),
        exit: Some(exit::<T>),
        tick: Some(tick::<T>),
    };

    /// Makes the state of every namespace there is and will be. `EBUSY` when there is another
    /// registration.
    ///
    /// # Context
    ///
    /// Process context; may sleep.
    pub fn new(shared: T::Shared) -> Result<Self> {
        let shared = KBox::new(shared, GFP_KERNEL)?;
        let pointer: *const T::Shared = &*shared;
        // SAFETY: The callbacks are static and of one `T`. What is shared stays where it is until
        // this has failed or the registration has ended.
        to_result(unsafe { bindings::rlvs_netns_register(Self::OPS, pointer.cast()) })?;
        Ok(Self {
            _shared: shared,
            states: PhantomData,
        })
    }
}

impl<T: Namespace> Drop for Registration<T> {
    fn drop(&mut self) {
        // SAFETY: The value exists because registering succeeded, and it is unregistered once.
        unsafe { bindings::rlvs_netns_unregister() };
    }
}

/// Makes a namespace's state.
///
/// # Safety
///
/// Called by `netns.c` once for a namespace, with a valid argument whose `state` is null, and with
/// what the registration of the same `T` shares. If this fails and has set `state`, `pre_exit` and
/// `exit` follow.
unsafe extern "C" fn init<T: Namespace>(
    ns: *mut bindings::rlvs_netns,
    shared: *const c_void,
) -> c_int {
    from_result(|| {
        // Dropped here if no state takes them.
        let sysctls = Cell::new(None);
        let setup = Setup::<T> {
            // SAFETY: `ns` is valid, and the namespace it names is being made.
            net: unsafe { Net::from_raw((*ns).net) },
            // SAFETY: `Registration::new` has given a pointer to what is shared, which lives until
            // no namespace has a state any more.
            shared: unsafe { &*shared.cast::<T::Shared>() },
            sysctls: &sysctls,
        };
        let slot = KBox::pin_init(
            try_pin_init!(Slot::<T> {
                hooks <- new_mutex!(None, "rlvs_hooks"),
                state <- T::new(&setup),
                _sysctls: setup.sysctls.take(),
            }? Error),
            KEPT,
        )?;
        // SAFETY: The box stays pinned: `exit` turns the pointer back into a pinned box.
        let slot = KBox::into_raw(unsafe { Pin::into_inner_unchecked(slot) });
        // SAFETY: `ns` is valid, and nothing else uses a namespace that is being made.
        unsafe { (*ns).state = slot.cast() };
        let valid = NonNull::new(ns).ok_or(EINVAL)?;
        // A reader of the first of the files may attach the hooks before the last one is there. If
        // that cannot be made, the state is left to `pre_exit` and `exit`.
        // SAFETY: The state was set just now; `pre_exit` removes the files before `exit` frees it.
        unsafe { create_files::<T>(valid) }.map(|()| 0)
    })
}

/// Ends what uses a namespace's state.
///
/// # Safety
///
/// Called by `netns.c` once after `init` of the same namespace has set its state, with its periodic
/// work ended.
unsafe extern "C" fn pre_exit<T: Namespace>(ns: *mut bindings::rlvs_netns) {
    if let Some(ns) = NonNull::new(ns) {
        // SAFETY: `init` has made the files, or none, and this is called once.
        unsafe { remove_files::<T>(ns) };
        // SAFETY: `init` has set the state, and `exit` comes after; both are called in process
        // context, as this is.
        let ns = unsafe { Handle::<T>::from_raw(ns) };
        if let Some(detached) = ns.detach() {
            detached.leave();
        }
    }
}

/// Frees a namespace's state.
///
/// # Safety
///
/// Called by `netns.c` once, after `pre_exit` of the same namespace.
unsafe extern "C" fn exit<T: Namespace>(ns: *mut bindings::rlvs_netns) {
    // SAFETY: `ns` is valid, and `init` has put a pointer from `KBox::into_raw` there.
    let slot = unsafe { KBox::from_raw((*ns).state.cast::<Slot<T>>()) };
    // The box was pinned and is dropped in place.
    drop(slot);
}

/// Runs the periodic work and schedules the next.
///
/// # Safety
///
/// Called by `netns.c` between `init` and the start of `pre_exit`.
unsafe extern "C" fn tick<T: Namespace>(ns: *mut bindings::rlvs_netns) {
    if let Some(ns) = NonNull::new(ns) {
        // SAFETY: `init` has set the state, and `pre_exit` waits for this work to end, which the
        // workqueue does in process context.
        let ns = unsafe { Handle::<T>::from_raw(ns) };
        T::tick(&ns);
        if ns.attached() {
            ns.schedule_tick();
        }
    }
}
