// SPDX-License-Identifier: GPL-2.0

//! What tests of several files share.

use crate::address::Address;

/// Reads an address.
pub(crate) fn address(text: &str) -> Address {
    match text.parse().unwrap() {
        core::net::IpAddr::V4(ip) => Address::V4(ip.octets()),
        core::net::IpAddr::V6(ip) => Address::V6(ip.octets()),
    }
}
