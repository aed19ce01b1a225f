// SPDX-License-Identifier: GPL-2.0

//! How a request is refused: the error number, and a text with the attribute that is at fault.

use kernel::prelude::*;
use rlvs_core::refusal::{Errno, Refusal};
use rlvs_kext::{
    errno,
    genetlink::{self, Attribute},
};

use crate::change::edit::Failure;

/// The result of a request, with how it is refused.
pub(crate) type Outcome<'a, T = ()> = Result<T, genetlink::Refusal<'a>>;

/// Returns the refusal of the core as netlink sends it.
pub(crate) fn refuse<'a>(refusal: Refusal) -> genetlink::Refusal<'a> {
    let error = match refusal.errno() {
        Errno::Inval => EINVAL,
        Errno::Exist => EEXIST,
        Errno::NoEnt => ENOENT,
        Errno::Srch => ESRCH,
        Errno::Range => ERANGE,
        Errno::OpNotSupp => errno::not_supported(),
        Errno::AddrInUse => errno::address_in_use(),
        Errno::AfNoSupport => errno::family_not_supported(),
        Errno::HostUnreach => errno::host_unreachable(),
        Errno::Loop => errno::points_to_itself(),
        Errno::NoPkg => errno::no_package(),
        Errno::ProtoNoSupport => errno::protocol_not_supported(),
        Errno::NoMem => ENOMEM,
        Errno::NoSpc => ENOSPC,
    };
    genetlink::Refusal::new(error, refusal.text())
}

/// Returns the attribute, or a refusal with `text` that names it as missing.
pub(super) fn required<'a>(
    attribute: Option<Attribute<'a>>,
    id: u16,
    text: &'static CStr,
) -> Outcome<'a, Attribute<'a>> {
    attribute.ok_or_else(|| genetlink::Refusal::missing(id, text))
}

/// Returns why a change was not made, as netlink sends it.
pub(crate) fn failed<'a>(failure: Failure) -> genetlink::Refusal<'a> {
    match failure {
        Failure::Refused(refusal) => refuse(refusal),
        Failure::Error(error) => error.into(),
    }
}
