// SPDX-License-Identifier: GPL-2.0

//! Generic netlink messages.
//!
//! Sources: `Documentation/userspace-api/netlink/intro.rst`, `linux/netlink.h` and
//! `linux/genetlink.h` of the kernel.

use netlink_packet_core::{
    DecodeError, NetlinkBuffer, NetlinkDeserializable, NetlinkHeader, NetlinkMessage,
    NetlinkSerializable, NLMSG_ALIGNTO,
};

use crate::malformed::Malformed;
use crate::spec;

/// Bytes of the netlink header, `struct nlmsghdr`.
pub(crate) const NETLINK_HEADER: usize = 16;
/// Bytes of the generic netlink header, `struct genlmsghdr`.
pub(crate) const GENERIC_HEADER: usize = 4;

/// A generic netlink message: header and encoded attributes.
#[derive(Debug)]
pub(crate) struct GenericMessage {
    /// Number of the family, the netlink message's type.
    pub(crate) family: u16,
    pub(crate) command: u8,
    pub(crate) attributes: Vec<u8>,
}

impl NetlinkSerializable for GenericMessage {
    fn message_type(&self) -> u16 {
        self.family
    }
    fn buffer_len(&self) -> usize {
        GENERIC_HEADER + self.attributes.len()
    }
    fn serialize(&self, buffer: &mut [u8]) {
        buffer[..GENERIC_HEADER].copy_from_slice(&[self.command, spec::FAMILY_VERSION, 0, 0]);
        buffer[GENERIC_HEADER..].copy_from_slice(&self.attributes);
    }
}

impl NetlinkDeserializable for GenericMessage {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        if payload.len() < GENERIC_HEADER {
            return Err("generic netlink message without a header".into());
        }
        Ok(Self {
            family: header.message_type,
            command: payload[0],
            attributes: payload[GENERIC_HEADER..].to_vec(),
        })
    }
}

/// Reads the messages of a datagram, up to the first that is malformed.
pub(crate) struct Messages<'a>(pub(crate) &'a [u8]);

impl Messages<'_> {
    /// Reads the first message, and returns it with its length.
    fn read(&self) -> Result<(NetlinkMessage<GenericMessage>, usize), DecodeError> {
        let length = NetlinkBuffer::new_checked(self.0)?.length() as usize;
        let message = NetlinkMessage::deserialize(&self.0[..length])?;
        Ok((message, length))
    }
}

impl Iterator for Messages<'_> {
    type Item = Result<NetlinkMessage<GenericMessage>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        Some(match self.read() {
            Ok((message, length)) => {
                let next = length.next_multiple_of(NLMSG_ALIGNTO.into());
                self.0 = self.0.get(next..).unwrap_or_default();
                Ok(message)
            }
            Err(error) => {
                self.0 = &[];
                Err(Malformed::Bytes(error.to_string()))
            }
        })
    }
}

#[cfg(test)]
pub(crate) mod raw {
    use super::NETLINK_HEADER;

    /// The bytes of a netlink message, put together by hand, as the kernel lays it out.
    pub(crate) fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let length = (NETLINK_HEADER + payload.len()) as u32;
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(0u32.to_ne_bytes());
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }
}
