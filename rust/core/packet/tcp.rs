// SPDX-License-Identifier: GPL-2.0

//! TCP headers: RFC 9293.

use super::{
    bytes::{read, Bytes, Unhandled},
    ip::Network,
};

const HEADER_LEN: usize = 20;
/// Where a TCP header has the lower eight of its flags.
const FLAGS: usize = 13;

/// The flags of a TCP header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// The sender has no more data.
    pub const FIN: u8 = 0x01;
    /// The sender opens a connection.
    pub const SYN: u8 = 0x02;
    /// The connection is reset.
    pub const RST: u8 = 0x04;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 0x10;

    /// Returns `true` if FIN is set.
    #[inline]
    pub const fn fin(self) -> bool {
        self.0 & Self::FIN != 0
    }

    /// Returns `true` if SYN is set.
    #[inline]
    pub const fn syn(self) -> bool {
        self.0 & Self::SYN != 0
    }

    /// Returns `true` if RST is set.
    #[inline]
    pub const fn rst(self) -> bool {
        self.0 & Self::RST != 0
    }

    /// Returns `true` if ACK is set.
    #[inline]
    pub const fn ack(self) -> bool {
        self.0 & Self::ACK != 0
    }

    /// Returns `true` if this is the first segment of a connection: SYN, and none of ACK, RST and
    /// FIN.
    #[inline]
    pub const fn opens(self) -> bool {
        self.syn() && !self.ack() && !self.rst() && !self.fin()
    }

    /// Returns `true` if the segment ends its connection, or one side of it: FIN or RST.
    #[inline]
    pub const fn ends(self) -> bool {
        self.fin() || self.rst()
    }
}

/// Reads the header: the ports, and the flags.
#[inline(always)]
pub(super) fn parse<A>(
    bytes: &(impl Bytes + ?Sized),
    network: &Network<A>,
) -> Result<([u8; 4], TcpFlags), Unhandled> {
    if network.payload() < HEADER_LEN {
        return Err(Unhandled::Truncated);
    }
    let mut copy = [0; HEADER_LEN];
    let header = bytes.chunk(network.l4_offset, &mut copy);
    let &[s1, s0, d1, d0, .., offset, flags, _, _, _, _, _, _] =
        header.ok_or(Unhandled::Truncated)?;
    let header_len = usize::from(offset >> 4).saturating_mul(4);
    if header_len < HEADER_LEN || header_len > network.payload() {
        return Err(Unhandled::Malformed);
    }
    Ok(([s1, s0, d1, d0], TcpFlags(flags)))
}

/// Returns the flags of the TCP header at an offset.
#[inline]
pub(super) fn flags(
    bytes: &(impl Bytes + ?Sized),
    l4_offset: usize,
) -> Result<TcpFlags, Unhandled> {
    let [flags] = read(bytes, l4_offset.saturating_add(FLAGS))?;
    Ok(TcpFlags(flags))
}
