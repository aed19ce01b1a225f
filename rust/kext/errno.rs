// SPDX-License-Identifier: GPL-2.0

//! Error numbers that the `kernel` crate has no names for.
//!
//! C header: [`include/uapi/asm-generic/errno.h`](srctree/include/uapi/asm-generic/errno.h)
//!
//! Upstream: names are added to `kernel::error::code` as they are needed.

use kernel::{bindings, error::Error};

macro_rules! errnos {
    ($($(#[$doc:meta])* $name:ident = $source:ident;)*) => {
        $(
            $(#[$doc])*
            pub fn $name() -> Error {
                Error::from_errno(-(bindings::$source as i32))
            }
        )*
    };
}

errnos! {
    /// Address already in use.
    address_in_use = EADDRINUSE;
    /// Address family not supported by protocol.
    family_not_supported = EAFNOSUPPORT;
    /// No route to host.
    host_unreachable = EHOSTUNREACH;
    /// Too many levels: something leads to itself.
    points_to_itself = ELOOP;
    /// Package not installed.
    no_package = ENOPKG;
    /// Operation not supported.
    not_supported = EOPNOTSUPP;
    /// Protocol not supported.
    protocol_not_supported = EPROTONOSUPPORT;
}
