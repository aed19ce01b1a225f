// SPDX-License-Identifier: GPL-2.0

//! Rewriting what an ICMP error quotes.

use crate::{
    address::{Family, Ip},
    packet::{
        checksum,
        fields::{
            address, l4_checksum, replace, replace_end, replace_word, update_ip_checksum, Delta,
            Fields, IpSummed, Rewrite, TooShort, Which,
        },
        icmp::IcmpError,
    },
};

/// Both ports, at the start of a transport header.
const PORTS_LEN: usize = 4;

/// Returns how many bytes, from the start of the IP header on, must be writable for
/// [`apply_to_error`]: up to the end of the quoted transport checksum, or of the quoted ports where
/// that is not quoted.
pub fn writable_len_of_error<A: Ip>(error: &IcmpError<A>) -> usize {
    let quoted = &error.quoted;
    let end = if quoted.has_checksum {
        l4_checksum(quoted.protocol, quoted.l4_offset).end
    } else {
        quoted.l4_offset.saturating_add(PORTS_LEN)
    };
    quoted.offset.saturating_add(end)
}

/// Rewrites one end of the packet that an ICMP error quotes, and the error's own address where
/// that is the same end's, with all checksums.
///
/// `rewrite` is about the quoted packet. An error goes the other way: its destination is the
/// quoted packet's source; its source is the quoted packet's destination, unless it comes from a
/// router on the way.
///
/// # Errors
///
/// [`TooShort`] when `header` has fewer than [`writable_len_of_error`] bytes.
pub fn apply_to_error<A: Ip>(
    header: &mut [u8],
    error: &IcmpError<A>,
    sums: IpSummed,
    rewrite: &Rewrite<A>,
) -> Result<Delta, TooShort> {
    let header = header
        .get_mut(..writable_len_of_error(error))
        .ok_or(TooShort)?;
    if rewrite.from == rewrite.to {
        return Ok(Delta::default());
    }
    let quoted = &error.quoted;
    let mut fields = Fields::new(quoted.protocol, quoted.l4_offset, rewrite.side);
    if !quoted.has_checksum {
        fields.internet_checksum = None;
    }
    let inner = header.get_mut(quoted.offset..).ok_or(TooShort)?;
    // Nothing completes the checksum of what is only quoted.
    let inside = replace_end(inner, fields, quoted.protocol, IpSummed::Other, rewrite)?;

    let (side, own) = match rewrite.side {
        Which::Source => (Which::Destination, error.destination),
        Which::Destination => (Which::Source, error.source),
    };
    let (mut outside, mut pseudo) = (0, 0);
    if own == rewrite.from.address {
        pseudo = replace(header, address::<A>(side), rewrite.to.address.octets())?;
        outside = checksum::add(pseudo, update_ip_checksum::<A>(header, pseudo)?);
    }
    if A::FAMILY == Family::V4 {
        // Only ICMPv6 sums a pseudo-header (RFC 4443 section 2.3).
        pseudo = 0;
    }
    let at = error.offset.saturating_add(2);
    let own_checksum = replace_word(header, at, |old| match sums {
        IpSummed::Partial => checksum::add(old, pseudo),
        IpSummed::Complete | IpSummed::Other => {
            checksum::adjust(old, checksum::add(inside, pseudo))
        }
    })?;
    let delta = checksum::add(checksum::add(inside, outside), own_checksum);
    Ok(Delta(delta))
}
