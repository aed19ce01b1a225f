// SPDX-License-Identifier: GPL-2.0

//! A socket that has joined the family's group of events.

use std::sync::mpsc::{sync_channel, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use netlink_packet_core::{DecodeError, NetlinkBuffer, NetlinkMessage, NetlinkPayload};
use netlink_sys::Socket;

use super::{control, GenericMessage, Netlink};
use crate::attribute::{Attributes, Nest};
use crate::error::{Error, Refusal};
use crate::event::{Notice, Subscription};
use crate::spec;
use crate::transport::Reply;

/// Notices that wait to be asked for. What is more waits in the socket, and
/// when that is full the kernel says that events were lost.
const WAITING: usize = 64;

/// `ENOBUFS`: what a socket says that has lost messages.
const ENOBUFS: i32 = 105;

/// A socket that has joined the group, read by a thread: the library's sockets
/// know no limit of time.
pub struct Events(Receiver<Result<Notice, Error>>);

impl Events {
    /// Joins the group. Needs `CAP_NET_ADMIN`.
    pub fn subscribe() -> Result<Self, Error> {
        let mut netlink = Netlink::connect()?;
        let events = netlink.group(spec::FAMILY_NAME, spec::GROUP_EVENTS)?;
        let families = netlink.group(control::NAME, control::GROUP_NOTIFY)?;
        for group in [families, events] {
            netlink.socket.add_membership(group).map_err(refused)?;
        }
        let (sender, receiver) = sync_channel(WAITING);
        let Netlink { socket, family, .. } = netlink;
        thread::spawn(move || read(&socket, family, &sender));
        Ok(Self(receiver))
    }
}

/// Why a group could not be joined.
fn refused(error: std::io::Error) -> Error {
    match error.raw_os_error() {
        Some(errno) => Error::Refused(Refusal {
            errno,
            text: None,
            fault: None,
        }),
        None => Error::Socket(error),
    }
}

impl Netlink {
    /// The number that a family's multicast group has while its module is
    /// loaded.
    fn group(&mut self, family: &str, group: &str) -> Result<u32, Error> {
        let reply = self.family(family)?;
        let groups = reply.attributes().require(control::GROUPS)?;
        // A list: the attributes are numbered, and each is a group.
        for number in 1.. {
            let Some(entry) = groups.get(crate::attribute::Attr::<Nest>::new(number, "group"))?
            else {
                break;
            };
            if entry.require(control::GROUP_NAME)? == group {
                return entry.require(control::GROUP_ID);
            }
        }
        Err(Error::Reply(format!("there is no group '{group}'")))
    }
}

/// Reads until there is nothing more to be had, or nobody who wants it.
fn read(socket: &Socket, family: u16, sender: &SyncSender<Result<Notice, Error>>) {
    loop {
        let notices = match socket.recv_from_full() {
            // Port 0 is the kernel; other processes may write to the socket.
            Ok((bytes, sender)) if sender.port_number() == 0 => notices(&bytes, family),
            Ok(_) => continue,
            Err(error) if error.raw_os_error() == Some(ENOBUFS) => Ok(vec![Notice::Lost]),
            Err(error) => Err(Error::Socket(error)),
        };
        let ends = notices.is_err();
        let notices = match notices {
            Ok(notices) => notices.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        };
        for notice in notices {
            if sender.send(notice).is_err() {
                return;
            }
        }
        if ends {
            return;
        }
    }
}

/// The events among the messages of a datagram; an error if the family is gone.
pub(super) fn notices(mut bytes: &[u8], family: u16) -> Result<Vec<Notice>, Error> {
    let mut notices = Vec::new();
    while !bytes.is_empty() {
        let malformed = |error: DecodeError| Error::Reply(error.to_string());
        let length = NetlinkBuffer::new_checked(bytes)
            .map_err(malformed)?
            .length() as usize;
        let message =
            NetlinkMessage::<GenericMessage>::deserialize(&bytes[..length]).map_err(malformed)?;
        if let NetlinkPayload::InnerMessage(message) = message.payload {
            if message.family == family && message.command == spec::command::EVENT.number {
                notices.push(Notice::Event(Reply(message.attributes)));
            } else if message.family == control::ID
                && message.command == control::DELETE_FAMILY
                && Attributes::new(&message.attributes).get(control::FAMILY_ID)? == Some(family)
            {
                return Err(Error::Unloaded);
            }
        }
        let next = length.next_multiple_of(netlink_packet_core::NLMSG_ALIGNTO.into());
        bytes = bytes.get(next..).unwrap_or_default();
    }
    Ok(notices)
}

impl Subscription for Events {
    fn next(&mut self, limit: Option<Duration>) -> Result<Option<Notice>, Error> {
        let received = match limit {
            Some(limit) => self.0.recv_timeout(limit),
            None => self.0.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match received {
            Ok(notice) => notice.map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            // After the error that the thread has ended with.
            Err(RecvTimeoutError::Disconnected) => Err(Error::Unloaded),
        }
    }
}
