// SPDX-License-Identifier: GPL-2.0

//! A generic netlink socket, the transport to the kernel.

use std::io;

use netlink_packet_core::{
    NetlinkHeader, NetlinkMessage, NetlinkPayload, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST,
};
use netlink_sys::{protocols::NETLINK_GENERIC, SocketAddr};

use crate::attribute::{Attr, Builder, Nest};
use crate::collector::{Collector, Outcome};
use crate::controller;
use crate::error::Error;
use crate::malformed::Malformed;
use crate::message::GenericMessage;
use crate::refusal::Refusal;
use crate::request::{Reply, Request};
use crate::spec;
use crate::transport::Transport;

/// How often a dump is begun at most, while what it lists keeps changing.
const DUMP_ATTEMPTS: usize = 10;

/// `ENOENT`: there is no family of this name.
const ENOENT: i32 = 2;

/// A socket to the rlvs family of the network namespace that it is opened in.
///
/// A request blocks the calling thread until the kernel has answered.
#[derive(Debug)]
pub struct Socket {
    socket: netlink_sys::Socket,
    /// Number of the family, which it has while its module is loaded.
    family: u16,
    /// Sequence number of the last request.
    sequence: u32,
}

impl Socket {
    /// Opens a socket and looks the family up.
    ///
    /// # Errors
    ///
    /// [`Error::NotLoaded`] if there is no family: [`crate::module::load`] loads the module.
    pub fn connect() -> Result<Self, Error> {
        let mut socket = Self::to_controller().map_err(Error::Socket)?;
        socket.family = socket
            .family(spec::FAMILY_NAME)?
            .attributes()?
            .require(controller::FAMILY_ID)?;
        Ok(socket)
    }

    /// Opens a socket to the family that every kernel has.
    fn to_controller() -> io::Result<Self> {
        let socket = netlink_sys::Socket::new(NETLINK_GENERIC)?;
        // Both only shape the replies: with the text of a refusal, without a
        // copy of the request.
        socket.set_ext_ack(true)?;
        socket.set_cap_ack(true)?;
        Ok(Self {
            socket,
            family: controller::ID,
            sequence: 0,
        })
    }

    /// Returns the number that the rlvs family has while its module is loaded.
    pub(crate) fn family_number(&self) -> u16 {
        self.family
    }

    /// Asks the controller for a family.
    fn family(&mut self, name: &str) -> Result<Reply, Error> {
        let mut attributes = Builder::default();
        attributes.put(controller::FAMILY_NAME, name);
        let family = std::mem::replace(&mut self.family, controller::ID);
        let reply = self.request(&Request::new(&controller::GET_FAMILY, attributes));
        self.family = family;
        reply.map_err(|error| match error {
            Error::Refused(Refusal { errno: ENOENT, .. }) => Error::NotLoaded,
            other => other,
        })
    }

    /// Joins a family's multicast group.
    pub(crate) fn join(&mut self, family: &str, group: &'static str) -> Result<(), Error> {
        let number = group_number(&self.family(family)?, group)?;
        self.socket
            .add_membership(number)
            .map_err(|error| match error.raw_os_error() {
                Some(errno) => Error::Refused(Refusal {
                    errno,
                    text: None,
                    fault: None,
                }),
                None => Error::Socket(error),
            })
    }

    /// Waits for a datagram of the kernel.
    pub(crate) fn receive(&self) -> io::Result<Vec<u8>> {
        loop {
            let (bytes, sender) = self.socket.recv_from_full()?;
            // Port 0 is the kernel; other processes may write to the socket.
            if sender.port_number() == 0 {
                return Ok(bytes);
            }
        }
    }

    /// Sends a request, with a sequence number of its own.
    fn send(&mut self, request: &Request) -> io::Result<()> {
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
        self.socket.send_to(&bytes, &kernel, 0).map(|_| ())
    }

    /// Sends a request once and waits for its end.
    fn attempt(&mut self, request: &Request) -> Result<Outcome, Error> {
        self.send(request).map_err(Error::Socket)?;
        let mut collector = Collector::new(request, self.sequence);
        loop {
            let bytes = self.receive().map_err(Error::Socket)?;
            if let Some(outcome) = collector.datagram(&bytes)? {
                return Ok(outcome);
            }
        }
    }
}

/// Returns the number of a multicast group, from the controller's reply about its family.
fn group_number(family: &Reply, group: &'static str) -> Result<u32, Malformed> {
    let groups = family.attributes()?.require(controller::GROUPS)?;
    for number in 1.. {
        let Some(entry) = groups.get(Attr::<Nest>::new(number, "group"))? else {
            break;
        };
        if entry.require(controller::GROUP_NAME)? == group {
            return entry.require(controller::GROUP_ID);
        }
    }
    Err(Malformed::NoGroup(group))
}

impl Transport for Socket {
    /// Sends a request and waits for the whole reply. A dump is begun anew when what it lists
    /// changes meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Unsteady`] if a dump was begun too often; [`Error::Refused`] with `ENOENT` if
    /// the module was unloaded since the socket was opened.
    fn request(&mut self, request: &Request) -> Result<Reply, Error> {
        for _ in 0..DUMP_ATTEMPTS {
            if let Outcome::Complete(reply) = self.attempt(request)? {
                return Ok(reply);
            }
        }
        Err(Error::Unsteady)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The controller family is in every kernel, so the socket can be tried with
    /// it on any machine.
    #[test]
    fn the_kernel_answers() {
        let mut socket = Socket::to_controller().unwrap();
        socket.sequence = u32::MAX;
        let found = socket.family(controller::NAME).unwrap();
        let number = found.attributes().unwrap().require(controller::FAMILY_ID);
        assert_eq!(number, Ok(controller::ID));
        assert!(matches!(
            socket.family("no-such-family"),
            Err(Error::NotLoaded)
        ));
        let all = Request::dump(&controller::GET_FAMILY, Builder::default());
        let families = socket.request(&all).unwrap().messages;
        assert!(families.iter().any(|family| {
            family.attributes().require(controller::FAMILY_NAME) == Ok(controller::NAME)
        }));
        // It has the group that reports families that go.
        assert!(group_number(&found, controller::GROUP_NOTIFY).is_ok());
        let none = group_number(&found, "no-such-group");
        assert_eq!(none, Err(Malformed::NoGroup("no-such-group")));
        // A refusal of the kernel's own policy: text and attribute are the kernel's.
        let mut long = Builder::default();
        long.put(controller::FAMILY_NAME, "a-name-that-is-much-too-long");
        match socket.request(&Request::new(&controller::GET_FAMILY, long)) {
            Err(Error::Refused(refusal)) => {
                assert!(refusal.text.is_some(), "{refusal:?}");
                assert_eq!(refusal.fault.unwrap().attribute, "family-name");
            }
            other => panic!("{other:?}"),
        }
    }
}
