// SPDX-License-Identifier: GPL-2.0

//! The bytes of a packet, and why one is not read.

/// The bytes of a packet, from the start of its IP header on.
pub trait Bytes {
    /// Fills `into` with the bytes from `offset` on, counted from the start of the IP header.
    ///
    /// False, with `into` in any state, when the packet ends before.
    fn copy_to(&self, offset: usize, into: &mut [u8]) -> bool;

    /// Returns the `N` bytes from `offset` on: where they are, or copied to `copy`. None when the
    /// packet ends before.
    #[inline]
    fn chunk<'a, const N: usize>(
        &'a self,
        offset: usize,
        copy: &'a mut [u8; N],
    ) -> Option<&'a [u8; N]> {
        self.copy_to(offset, copy).then_some(copy)
    }
}

impl Bytes for [u8] {
    #[inline]
    fn copy_to(&self, offset: usize, into: &mut [u8]) -> bool {
        let from = self.get(offset..).and_then(|tail| tail.get(..into.len()));
        match from {
            Some(from) => {
                into.copy_from_slice(from);
                true
            }
            None => false,
        }
    }

    #[inline(always)]
    fn chunk<'a, const N: usize>(
        &'a self,
        offset: usize,
        _copy: &'a mut [u8; N],
    ) -> Option<&'a [u8; N]> {
        self.get(offset..)?.first_chunk()
    }
}

impl Bytes for &[u8] {
    #[inline]
    fn copy_to(&self, offset: usize, into: &mut [u8]) -> bool {
        (**self).copy_to(offset, into)
    }

    #[inline(always)]
    fn chunk<'a, const N: usize>(
        &'a self,
        offset: usize,
        copy: &'a mut [u8; N],
    ) -> Option<&'a [u8; N]> {
        (**self).chunk(offset, copy)
    }
}

#[inline(always)]
pub(crate) fn read<const N: usize>(
    bytes: &(impl Bytes + ?Sized),
    offset: usize,
) -> Result<[u8; N], Unhandled> {
    let mut copy = [0; N];
    bytes
        .chunk(offset, &mut copy)
        .copied()
        .ok_or(Unhandled::Truncated)
}

/// Why a packet is none that a service could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unhandled {
    /// It ends within a header, or says that it does.
    Truncated,
    /// A header contradicts itself or another one, or there are more extension headers than any
    /// sender has use for.
    Malformed,
    /// It is neither TCP nor UDP nor SCTP nor ICMP, or it is protected by an authentication header.
    OtherProtocol,
    /// An IPv6 routing header leads it further than to the destination in the IP header.
    SourceRouted,
    /// It is a part of a larger packet.
    Fragment,
    /// It is an ICMP message: see [`crate::packet::icmp`].
    Icmp,
}
