// SPDX-License-Identifier: GPL-2.0

//! Collects the messages of a reply.

use netlink_packet_core::{
    NetlinkMessage, NetlinkPayload, NLMSG_ALIGNTO, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP_INTR,
};

use crate::attribute::Attributes;
use crate::error::Error;
use crate::malformed::Malformed;
use crate::message::{GenericMessage, Messages, GENERIC_HEADER, NETLINK_HEADER};
use crate::refusal::{Fault, Refusal};
use crate::request::{Message, Reply, Request};

/// The attributes of an extended acknowledgement, `enum nlmsgerr_attrs`.
mod extended_ack {
    use crate::attribute::{Attr, Text, U32};

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

/// How a request has ended, unless it was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The whole reply.
    Complete(Reply),
    /// The kernel's state changed while it was dumped (`NLM_F_DUMP_INTR`).
    Interrupted,
}

/// The messages of a reply that were received so far.
pub(crate) struct Collector<'a> {
    request: &'a Request,
    sequence: u32,
    reply: Reply,
    interrupted: bool,
}

impl<'a> Collector<'a> {
    /// Makes an empty collector for the reply to `request`, which was sent with this number.
    pub(crate) fn new(request: &'a Request, sequence: u32) -> Self {
        Self {
            request,
            sequence,
            reply: Reply::default(),
            interrupted: false,
        }
    }

    /// Takes in the messages of a datagram; returns the outcome after the last message.
    pub(crate) fn datagram(&mut self, bytes: &[u8]) -> Result<Option<Outcome>, Error> {
        for message in Messages(bytes) {
            if self.message(message?)? {
                return Ok(Some(if self.interrupted {
                    Outcome::Interrupted
                } else {
                    Outcome::Complete(std::mem::take(&mut self.reply))
                }));
            }
        }
        Ok(None)
    }

    /// Takes in one message; returns `true` if it is the last one.
    fn message(&mut self, message: NetlinkMessage<GenericMessage>) -> Result<bool, Error> {
        let (header, payload) = message.into_parts();
        if header.sequence_number != self.sequence {
            // The rest of an earlier attempt.
            return Ok(false);
        }
        self.interrupted |= header.flags & NLM_F_DUMP_INTR != 0;
        match payload {
            NetlinkPayload::InnerMessage(message) => {
                self.reply.messages.push(Message(message.attributes));
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
            NetlinkPayload::Overrun(_) => Err(Malformed::Lost.into()),
            _ => Ok(false),
        }
    }

    /// Takes in the final message: 0 or a negative error number, and the attributes of the
    /// extended acknowledgement.
    fn end(&mut self, code: i32, ack: &[u8]) -> Result<(), Error> {
        let ack = Attributes::new(ack);
        let text = ack.get(extended_ack::MESSAGE)?.map(str::to_string);
        if code >= 0 {
            // The request was carried out; a text is a warning.
            self.reply.note = text;
            return Ok(());
        }
        let fault = self.fault(ack)?;
        Err(Error::Refused(Refusal {
            errno: code.saturating_neg(),
            text,
            fault,
        }))
    }

    /// Returns the attribute at fault, if the acknowledgement names one.
    fn fault(&self, ack: Attributes<'_>) -> Result<Option<Fault>, Malformed> {
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

/// Returns the extended acknowledgement behind the copy of the request in an error message. The
/// copy is cut off after its header if the flags say so.
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

#[cfg(test)]
mod tests;
