// SPDX-License-Identifier: GPL-2.0

//! The two address families, so that packet handling is written once for both.

use rlvs_core::address::{Endpoint, Ip, V4, V6};
use rlvs_kext::{flow_table::Key, net::Net, netfilter::NfProto, sock::Ends};

/// An address family: its addresses, its keys, and how the kernel is asked by them.
pub(crate) trait IpFamily: Ip<Words: Key> {
    /// Number of the family in netfilter.
    const HOOKS: NfProto;

    /// Returns the ends of a connection, as sockets are looked up by them.
    fn ends<'a>(local: &'a Endpoint<Self>, remote: &'a Endpoint<Self>) -> Ends<'a>;

    /// Returns `true` if the address is one of the host's, outside of VRFs.
    fn is_local(&self, net: &Net) -> bool;
}

impl IpFamily for V4 {
    const HOOKS: NfProto = NfProto::Ipv4;

    #[inline]
    fn ends<'a>(local: &'a Endpoint<Self>, remote: &'a Endpoint<Self>) -> Ends<'a> {
        Ends::v4(
            (&local.address.0, local.port),
            (&remote.address.0, remote.port),
        )
    }

    fn is_local(&self, net: &Net) -> bool {
        net.is_local4(&self.0)
    }
}

impl IpFamily for V6 {
    const HOOKS: NfProto = NfProto::Ipv6;

    #[inline]
    fn ends<'a>(local: &'a Endpoint<Self>, remote: &'a Endpoint<Self>) -> Ends<'a> {
        Ends::v6(
            (&local.address.0, local.port),
            (&remote.address.0, remote.port),
        )
    }

    fn is_local(&self, net: &Net) -> bool {
        net.is_local6(&self.0)
    }
}
