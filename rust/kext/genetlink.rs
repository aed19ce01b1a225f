// SPDX-License-Identifier: GPL-2.0

//! The generic netlink families: requests, refusals, replies and dumps.
//!
//! There are two: the module's own, whose table of operations is generated from
//! `Documentation/netlink/specs/rlvs.yaml`, and that of ip_vs, whose is in `helpers/ipvs.c`. The
//! tables have the attributes' policies and each command's permissions; handlers see requests that
//! passed them.
//!
//! C headers: [`include/net/genetlink.h`](srctree/include/net/genetlink.h),
//! [`include/linux/netlink.h`](srctree/include/linux/netlink.h)
//!
//! Upstream: "rust: netlink: add raw netlink abstraction" (A. Ryhl); not merged, multicast only.
//! Can go when it answers requests, and YNL generates the Rust side.

use crate::{
    bindings,
    memory::KEPT,
    netns::{self, Handle, Namespace},
};
use core::marker::PhantomData;
use core::ptr::NonNull;
use dump::dump_state;
use kernel::{error::to_result, ffi::c_int, prelude::*, sync::Arc};

pub use attribute::{Attribute, Attributes, Nest};
pub use dump::{DumpMessage, Record};
pub use ipvs::IpvsName;
pub use multicast::{has_listeners, join_count, multicast};
pub use request::{Refusal, Request};
pub use writer::Writer;

mod attribute;
mod dump;
mod ipvs;
mod message;
mod multicast;
mod request;
mod writer;

/// Which family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// The module's own.
    Rlvs,
    /// That of ip_vs, which answers while [`IpvsName`] lives.
    Ipvs,
}

/// A family, and how its requests are answered.
pub trait Family: 'static {
    /// Which one.
    const NAME: Name;

    /// The state of a namespace, which requests are about.
    type State: Namespace;

    /// What a dump keeps from one message to the next.
    type Dump: Default + Send;

    /// Carries out a request that is not a dump.
    ///
    /// # Context
    ///
    /// Process context; may sleep. Several may run at once, also for one namespace.
    fn request<'a>(ns: &Handle<'_, Self::State>, request: &Request<'a>) -> Result<(), Refusal<'a>>;

    /// Fills `out` with the next records of a dump. Returns `true` if there are no more.
    ///
    /// # Context
    ///
    /// Process context; may sleep. Several dumps may run at once, also of one namespace.
    fn dump<'a>(
        ns: &Handle<'_, Self::State>,
        dump: &mut Self::Dump,
        out: &mut DumpMessage<'a>,
    ) -> Result<bool, Refusal<'a>>;
}

/// Answers a family's requests while it lives.
pub struct Registration<F: Family> {
    // Dropped after the family is unregistered, which is in `drop`: handlers use the states.
    _states: Arc<netns::Registration<F::State>>,
}

impl<F: Family> Registration<F> {
    const OPS: &'static bindings::rlvs_genl_ops = &bindings::rlvs_genl_ops {
        doit: Some(doit::<F>),
        start: Some(start::<F>),
        dumpit: Some(dumpit::<F>),
        done: Some(done::<F>),
    };

    /// Registers the family, whose requests are answered from these states.
    ///
    /// # Context
    ///
    /// Process context; may sleep.
    pub fn new(states: Arc<netns::Registration<F::State>>) -> Result<Self> {
        match F::NAME {
            // SAFETY: The callbacks are static and of the family whose states are registered.
            Name::Rlvs => to_result(unsafe { bindings::rlvs_genl_register(Self::OPS) })?,
            // SAFETY: The callbacks are static and of the family whose states are registered.
            Name::Ipvs => to_result(unsafe { bindings::rlvs_ipvs_open(Self::OPS) })?,
        }
        Ok(Self { _states: states })
    }
}

impl<F: Family> Drop for Registration<F> {
    fn drop(&mut self) {
        match F::NAME {
            // SAFETY: The value exists because registering succeeded, and it is unregistered once.
            Name::Rlvs => unsafe { bindings::rlvs_genl_unregister() },
            // SAFETY: The value exists because opening succeeded, and it is closed once.
            Name::Ipvs => unsafe { bindings::rlvs_ipvs_close() },
        }
    }
}

/// Handles a request.
///
/// # Safety
///
/// Called by `genetlink.c` while the family is registered, with valid arguments.
unsafe extern "C" fn doit<F: Family>(
    ns: *mut bindings::rlvs_netns,
    _skb: *mut bindings::sk_buff,
    info: *mut bindings::genl_info,
    command: u8,
) -> c_int {
    let (Some(ns), Some(info)) = (NonNull::new(ns), NonNull::new(info)) else {
        return EINVAL.to_errno();
    };
    // SAFETY: The socket that asks keeps its namespace alive, and the states are registered longer
    // than the family. Requests are handled in process context.
    let ns = unsafe { Handle::<F::State>::from_raw(ns) };
    // INVARIANT: `info` is valid during the call.
    let request = Request {
        info,
        command,
        message: PhantomData,
    };
    match F::request(&ns, &request) {
        Ok(()) => 0,
        // SAFETY: The acknowledgement of `info` is null or valid.
        Err(refusal) => unsafe { refusal.report(request.extack()) },
    }
}

/// Starts a dump.
///
/// # Safety
///
/// Called by `genetlink.c` with a valid argument, once for a dump.
unsafe extern "C" fn start<F: Family>(cb: *mut bindings::netlink_callback) -> c_int {
    match KBox::new(F::Dump::default(), KEPT) {
        Ok(state) => {
            // SAFETY: `cb` is valid and the place is free until `done`.
            unsafe { *dump_state(cb) = KBox::into_raw(state).cast() };
            0
        }
        Err(_) => ENOMEM.to_errno(),
    }
}

/// Fills one message of a dump: its length when there may be more, else 0.
///
/// # Safety
///
/// Called by `genetlink.c` between `start` and `done`, with valid arguments.
unsafe extern "C" fn dumpit<F: Family>(
    ns: *mut bindings::rlvs_netns,
    skb: *mut bindings::sk_buff,
    cb: *mut bindings::netlink_callback,
    command: u8,
) -> c_int {
    let (Some(ns), Some(skb), Some(cb)) = (NonNull::new(ns), NonNull::new(skb), NonNull::new(cb))
    else {
        return EINVAL.to_errno();
    };
    // SAFETY: The socket that asks keeps its namespace alive, and the states are registered longer
    // than the family. Dumps are filled in process context.
    let ns = unsafe { Handle::<F::State>::from_raw(ns) };
    // SAFETY: `start` put a `F::Dump` there; netlink runs one callback of a dump at a time.
    let state = unsafe { &mut *(*dump_state(cb.as_ptr())).cast::<F::Dump>() };
    // INVARIANT: `skb` and `cb` are valid during the call.
    let mut out = DumpMessage {
        skb,
        cb,
        command,
        records: 0,
        message: PhantomData,
    };
    match F::dump(&ns, state, &mut out) {
        Ok(true) if out.records == 0 => 0,
        // Records are there: netlink calls again, and then the dump has no more.
        Ok(_) => {
            // SAFETY: `skb` is valid.
            let length = unsafe { (*skb.as_ptr()).len };
            c_int::try_from(length).unwrap_or(c_int::MAX)
        }
        // SAFETY: The acknowledgement of `cb` is null or valid.
        Err(refusal) => unsafe { refusal.report(out.extack()) },
    }
}

/// Ends a dump.
///
/// # Safety
///
/// Called by `genetlink.c` once after `start`, with a valid argument.
unsafe extern "C" fn done<F: Family>(cb: *mut bindings::netlink_callback) {
    // SAFETY: `start` put a pointer from `into_raw` there.
    drop(unsafe { KBox::from_raw((*dump_state(cb)).cast::<F::Dump>()) });
}
