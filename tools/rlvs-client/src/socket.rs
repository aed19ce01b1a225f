// SPDX-License-Identifier: GPL-2.0

//! The transport to the kernel: a generic netlink socket.
//!
//! Sources: `Documentation/userspace-api/netlink/intro.rst`,
//! `linux/netlink.h` and `linux/genetlink.h` of the kernel.

use netlink_packet_core::{
    DecodeError, NetlinkBuffer, NetlinkDeserializable, NetlinkHeader, NetlinkMessage,
    NetlinkPayload, NetlinkSerializable, NLMSG_ALIGNTO, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED,
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST,
};
use netlink_sys::{protocols::NETLINK_GENERIC, Socket, SocketAddr};

use crate::attribute::{Attr, Attributes, Builder, Nest, Set, Text, U16, U32};
use crate::error::{Error, Fault, Refusal};
use crate::module;
use crate::spec;
use crate::transport::{Command, Reply, Request, Transport};

/// How often a dump is begun anew because what it lists has changed meanwhile.
const DUMP_ATTEMPTS: usize = 10;

/// `ENOENT`: the controller knows no family of the name.
const ENOENT: i32 = 2;

/// The part of the controller family (`nlctrl`) that resolves a family's name.
mod control {
    use super::{Attr, Command, Nest, Set, Text, U16, U32};

    /// `GENL_ID_CTRL`: the message type of the controller family.
    pub const ID: u16 = 16;
    /// Its name, and that of the group that is told of families.
    pub const NAME: &str = "nlctrl";
    pub const GROUP_NOTIFY: &str = "notify";
    /// `CTRL_CMD_DELFAMILY`
    pub const DELETE_FAMILY: u8 = 2;
    /// `CTRL_CMD_GETFAMILY`
    pub static GET_FAMILY: Command = Command {
        number: 3,
        attributes: &SET,
    };
    /// `CTRL_ATTR_FAMILY_ID`
    pub const FAMILY_ID: Attr<U16> = Attr::new(1, "family-id");
    /// `CTRL_ATTR_FAMILY_NAME`
    pub const FAMILY_NAME: Attr<Text> = Attr::new(2, "family-name");
    /// `CTRL_ATTR_MCAST_GROUPS`
    pub const GROUPS: Attr<Nest> = Attr::new(7, "mcast-groups");
    /// `CTRL_ATTR_MCAST_GRP_NAME`, in a group.
    pub const GROUP_NAME: Attr<Text> = Attr::new(1, "name");
    /// `CTRL_ATTR_MCAST_GRP_ID`, in a group.
    pub const GROUP_ID: Attr<U32> = Attr::new(2, "id");
    static SET: Set = Set {
        name: "ctrl",
        attributes: &[FAMILY_ID.entry(None), FAMILY_NAME.entry(None)],
    };
}

/// The attributes of an extended acknowledgement, `enum nlmsgerr_attrs`.
mod extended_ack {
    use super::{Attr, Text, U32};

    /// `NLMSGERR_ATTR_MSG`
    pub const MESSAGE: Attr<Text> = Attr::new(1, "message");
    /// `NLMSGERR_ATTR_OFFS`: of the attribute at fault, from the start of the
    /// request's netlink header.
    pub const OFFSET: Attr<U32> = Attr::new(2, "offset");
    /// `NLMSGERR_ATTR_MISS_TYPE`
    pub const MISSING_TYPE: Attr<U32> = Attr::new(5, "missing-type");
    /// `NLMSGERR_ATTR_MISS_NEST`: offset of the nest that an attribute is
    /// missing in; absent if it is missing at the top.
    pub const MISSING_NEST: Attr<U32> = Attr::new(6, "missing-nest");
}

/// Bytes of the netlink header, `struct nlmsghdr`.
const NETLINK_HEADER: usize = 16;
/// Bytes of the generic netlink header, `struct genlmsghdr`.
const GENERIC_HEADER: usize = 4;

/// A generic netlink message: header and encoded attributes.
#[derive(Debug)]
struct GenericMessage {
    /// Number of the family, the netlink message's type.
    family: u16,
    command: u8,
    attributes: Vec<u8>,
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

/// A socket to the rlvs family.
pub struct Netlink {
    socket: Socket,
    family: u16,
    sequence: u32,
}

impl Netlink {
    /// Opens a socket and looks the family up; if it is not there, has the module loaded, as far as
    /// the caller may.
    pub fn connect() -> Result<Self, Error> {
        let socket = Socket::new(NETLINK_GENERIC).map_err(Error::Socket)?;
        // Both only shape the replies: with the text of a refusal, without a
        // copy of the request.
        socket.set_ext_ack(true).map_err(Error::Socket)?;
        socket.set_cap_ack(true).map_err(Error::Socket)?;
        let mut netlink = Self {
            socket,
            family: control::ID,
            sequence: 0,
        };
        netlink.family = match netlink.resolve(spec::FAMILY_NAME) {
            Err(Error::NotLoaded) => {
                module::load()?;
                netlink.resolve(spec::FAMILY_NAME)?
            }
            found => found?,
        };
        Ok(netlink)
    }

    /// The number that a family has while its module is loaded.
    fn resolve(&mut self, name: &str) -> Result<u16, Error> {
        let family = self.family(name)?;
        family.attributes().require(control::FAMILY_ID)
    }

    /// What the controller knows of a family.
    fn family(&mut self, name: &str) -> Result<Reply, Error> {
        let mut attributes = Builder::default();
        attributes.put(control::FAMILY_NAME, name);
        let family = std::mem::replace(&mut self.family, control::ID);
        let replies = self.request(&Request::new(&control::GET_FAMILY, attributes));
        self.family = family;
        let mut replies = replies.map_err(|error| match error {
            Error::Refused(Refusal { errno: ENOENT, .. }) => Error::NotLoaded,
            other => other,
        })?;
        replies
            .pop()
            .ok_or_else(|| Error::Reply("it names no family".into()))
    }

    fn send(&mut self, request: &Request) -> Result<(), Error> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.sequence_number = self.sequence;
        header.flags = NLM_F_REQUEST | if request.dump { NLM_F_DUMP } else { NLM_F_ACK };
        let mut message = NetlinkMessage::new(
            header,
            NetlinkPayload::InnerMessage(GenericMessage {
                family: self.family,
                command: request.command.number,
                attributes: request.attributes.clone(),
            }),
        );
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        let kernel = SocketAddr::new(0, 0);
        self.socket
            .send_to(&bytes, &kernel, 0)
            .map(|_| ())
            .map_err(Error::Socket)
    }

    /// One attempt at a request.
    fn attempt(&mut self, request: &Request) -> Result<Outcome, Error> {
        self.send(request)?;
        let mut collector = Collector::new(request, self.sequence);
        loop {
            let (bytes, sender) = self.socket.recv_from_full().map_err(Error::Socket)?;
            // Port 0 is the kernel; other processes may write to the socket.
            if sender.port_number() == 0 {
                if let Some(outcome) = collector.datagram(&bytes)? {
                    return Ok(outcome);
                }
            }
        }
    }
}

impl Transport for Netlink {
    fn request(&mut self, request: &Request) -> Result<Vec<Reply>, Error> {
        for _ in 0..DUMP_ATTEMPTS {
            if let Outcome::Complete(replies) = self.attempt(request)? {
                return Ok(replies);
            }
        }
        Err(Error::Unsteady)
    }
}

/// How a request has ended, unless it was refused.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// This is all of the reply.
    Complete(Vec<Reply>),
    /// The kernel says that what it dumped has changed meanwhile.
    Interrupted,
}

/// What the messages of a reply add up to so far.
struct Collector<'a> {
    request: &'a Request,
    sequence: u32,
    replies: Vec<Reply>,
    interrupted: bool,
}

impl<'a> Collector<'a> {
    fn new(request: &'a Request, sequence: u32) -> Self {
        Self {
            request,
            sequence,
            replies: Vec::new(),
            interrupted: false,
        }
    }

    /// Takes in the messages of a datagram; gives the outcome after the last.
    fn datagram(&mut self, mut bytes: &[u8]) -> Result<Option<Outcome>, Error> {
        while !bytes.is_empty() {
            let malformed = |error: DecodeError| Error::Reply(error.to_string());
            let length = NetlinkBuffer::new_checked(bytes)
                .map_err(malformed)?
                .length() as usize;
            let message = NetlinkMessage::<GenericMessage>::deserialize(&bytes[..length])
                .map_err(malformed)?;
            if self.message(message)? {
                return Ok(Some(if self.interrupted {
                    Outcome::Interrupted
                } else {
                    Outcome::Complete(std::mem::take(&mut self.replies))
                }));
            }
            let next = length.next_multiple_of(NLMSG_ALIGNTO.into());
            bytes = bytes.get(next..).unwrap_or_default();
        }
        Ok(None)
    }

    /// Takes in one message; says whether it is the last one.
    fn message(&mut self, message: NetlinkMessage<GenericMessage>) -> Result<bool, Error> {
        let (header, payload) = message.into_parts();
        if header.sequence_number != self.sequence {
            // The rest of an earlier attempt.
            return Ok(false);
        }
        self.interrupted |= header.flags & NLM_F_DUMP_INTR != 0;
        match payload {
            NetlinkPayload::InnerMessage(message) => {
                self.replies.push(Reply(message.attributes));
                Ok(false)
            }
            NetlinkPayload::Error(error) => {
                let code = error.raw_code();
                let ack = extended_ack_of_error(header.flags, &error.header);
                self.end(code, ack).map(|()| true)
            }
            NetlinkPayload::Done(done) => {
                let ack = if header.flags & NLM_F_ACK_TLVS != 0 {
                    &done.extended_ack[..]
                } else {
                    &[]
                };
                self.end(done.code, ack).map(|()| true)
            }
            NetlinkPayload::Overrun(_) => Err(Error::Reply("messages were lost".into())),
            _ => Ok(false),
        }
    }

    /// Judges the final message: 0 or a negative error number, and the
    /// attributes of the extended acknowledgement.
    fn end(&self, code: i32, ack: &[u8]) -> Result<(), Error> {
        let ack = Attributes::new(ack);
        let text = ack.get(extended_ack::MESSAGE)?.map(str::to_string);
        if code >= 0 {
            // The request was carried out; a text is a warning.
            if let Some(text) = text {
                eprintln!("rlvs: note: {text}");
            }
            return Ok(());
        }
        let fault = self.fault(ack)?;
        Err(Error::Refused(Refusal {
            errno: code.saturating_neg(),
            text,
            fault,
        }))
    }

    /// The attribute at fault, if the acknowledgement tells of one.
    fn fault(&self, ack: Attributes<'_>) -> Result<Option<Fault>, Error> {
        let set = self.request.command.attributes;
        let attributes = Attributes::new(&self.request.attributes);
        let position = |offset: u32| (offset as usize).checked_sub(NETLINK_HEADER + GENERIC_HEADER);
        if let Some(offset) = ack.get(extended_ack::OFFSET)? {
            return Ok(position(offset).and_then(|offset| Fault::at(set, attributes, offset)));
        }
        let Some(number) = ack.get(extended_ack::MISSING_TYPE)? else {
            return Ok(None);
        };
        let nest = ack.get(extended_ack::MISSING_NEST)?.and_then(position);
        Ok(u16::try_from(number)
            .ok()
            .and_then(|number| Fault::missing(set, attributes, nest, number)))
    }
}

/// The extended acknowledgement behind the copy of the request in an error
/// message. The copy is cut off after its header if the flags say so.
fn extended_ack_of_error(flags: u16, copy: &[u8]) -> &[u8] {
    if flags & NLM_F_ACK_TLVS == 0 {
        return &[];
    }
    let length = if flags & NLM_F_CAPPED != 0 {
        NETLINK_HEADER
    } else {
        // The length of a message is the first field of its header.
        match netlink_packet_core::parse_u32(copy.get(..4).unwrap_or_default()) {
            Ok(length) => (length as usize).next_multiple_of(NLMSG_ALIGNTO.into()),
            Err(_) => return &[],
        }
    };
    copy.get(length..).unwrap_or_default()
}

mod events;
pub use events::Events;

#[cfg(test)]
mod tests;
