// SPDX-License-Identifier: GPL-2.0

//! Connection tracking and network address translation of the kernel.
//!
//! Without `CONFIG_NF_CONNTRACK` nothing is tracked.
//!
//! C headers: [`include/net/netfilter/nf_conntrack_core.h`](srctree/include/net/netfilter/nf_conntrack_core.h),
//! [`include/net/netfilter/nf_conntrack_seqadj.h`](srctree/include/net/netfilter/nf_conntrack_seqadj.h)
//!
//! Upstream: none. Can go when connection tracking has bindings.

use crate::{
    bindings,
    net::Net,
    netfilter::{Context, NfProto},
    skbuff::Skb,
    sock::Ends,
};

/// An end as connection tracking has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    octets: [u8; 16],
    /// The port, in host byte order.
    pub port: u16,
}

impl Peer {
    const NONE: bindings::rlvs_peer = bindings::rlvs_peer {
        address: [0; 16],
        port: 0,
    };

    /// Returns the first octets of the address, in network byte order: 4 of IPv4, 16 of IPv6.
    /// `None` for more than 16.
    pub fn octets(&self, count: usize) -> Option<&[u8]> {
        self.octets.get(..count)
    }
}

impl Context<'_> {
    /// Tracks a packet that was given its destination, as connection tracking would do it a moment
    /// later: of a new flow no rule of the table nat translates the destination any more.
    /// Does nothing for a packet that is tracked, or is not to be. Connection tracking must be
    /// active ([`Net::is_tracking`]); if it has ceased to be just now, that does no harm.
    ///
    /// For hooks before connection tracking.
    #[inline]
    pub fn track(&self, skb: &mut Skb<'_>) {
        // SAFETY: `skb` is the hook's packet, which we may change, with its network header set and
        // all of the packet, as fragments were put together; `state` is valid during the hook,
        // which has a read-side section and bottom halves off.
        unsafe { bindings::rlvs_ct_track(skb.as_ptr(), self.as_raw()) };
    }

    /// Returns `true` if a packet that comes in was sent by a socket in a VRF to the host itself,
    /// so that connection tracking, which passes over it where it is sent, sees it for the first
    /// time. For hooks before connection tracking.
    pub fn begins_late(&self, skb: &Skb<'_>) -> bool {
        // SAFETY: `skb` is the hook's packet, and `state` is valid during the hook.
        unsafe { bindings::rlvs_ct_begins_late(skb.as_ptr(), self.as_raw()) }
    }

    /// Returns `true` if the packet is SYNPROXY's, which opens a client's connection to a server in
    /// the client's name. For hooks before connection tracking.
    pub fn is_synproxy(&self, skb: &Skb<'_>) -> bool {
        // SAFETY: `skb` is the hook's packet, which keeps what it has of connection tracking.
        unsafe { bindings::rlvs_ct_is_synproxy(skb.as_ptr()) }
    }

    /// Returns the peer that an answer was sent to by the process, if that is not the client that
    /// it goes to: source NAT has shown it another one. For hooks after the table nat.
    pub fn other_peer(&self, skb: &Skb<'_>) -> Option<Peer> {
        let mut peer = Peer::NONE;
        // SAFETY: `skb` is the hook's packet, which keeps what it has of connection tracking, and
        // `peer` may be written to.
        let found = unsafe { bindings::rlvs_ct_other_peer(skb.as_ptr(), &mut peer) };
        found.then_some(Peer {
            octets: peer.address,
            port: peer.port,
        })
    }
}

impl Net {
    /// Returns `true` if connection tracking follows the packets of a family in this namespace. Any
    /// context.
    pub fn is_tracking(&self, family: NfProto) -> bool {
        // SAFETY: The namespace is alive.
        unsafe { bindings::rlvs_ct_is_active(self.as_ptr(), family == NfProto::Ipv6) }
    }

    /// Returns `true` if connection tracking knows the TCP connection of a client, in its default
    /// zone, so that it is known which peer the process has. Any context but hard interrupt.
    pub fn is_tracked(&self, ends: &Ends<'_>) -> bool {
        let mut peer = Peer::NONE;
        // SAFETY: The namespace is alive, the addresses, as long as the family says, live as long
        // as `ends`, and `peer` may be written to.
        unsafe { bindings::rlvs_ct_peer(self.as_ptr(), ends.as_raw(), &mut peer) }
    }

    /// Returns the sequence number and the acknowledgement of a client's TCP segment as the process
    /// sees them, if they are shifted on the way. Any context but hard interrupt.
    pub fn shifted(
        &self,
        ends: &Ends<'_>,
        mut sequence: u32,
        mut acknowledgement: u32,
    ) -> Option<(u32, u32)> {
        // SAFETY: The namespace is alive, the addresses, as long as the family says, live as long
        // as `ends`, and the numbers may be written to.
        let shifted = unsafe {
            bindings::rlvs_ct_shift(
                self.as_ptr(),
                ends.as_raw(),
                &mut sequence,
                &mut acknowledgement,
            )
        };
        shifted.then_some((sequence, acknowledgement))
    }
}
