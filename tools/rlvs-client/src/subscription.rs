// SPDX-License-Identifier: GPL-2.0

//! Subscriptions to the events of the family.

use std::sync::mpsc::{sync_channel, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use netlink_packet_core::NetlinkPayload;

use crate::attribute::Attributes;
use crate::controller;
use crate::error::Error;
use crate::event::{Event, Notice};
use crate::message::{GenericMessage, Messages};
use crate::socket::Socket;
use crate::spec;

/// Notices that are queued for the receiver. Further ones stay in the socket; when its buffer is
/// full, reading it fails with `ENOBUFS`.
const WAITING: usize = 64;

/// `ENOBUFS`: the socket has lost messages.
const ENOBUFS: i32 = 105;

/// A source of notices, the kernel or what a test puts in its place.
pub trait Subscription {
    /// Waits for the next notice, without a limit as long as it takes.
    ///
    /// Returns `None` if there was none within the limit.
    ///
    /// # Errors
    ///
    /// [`Error::Unloaded`] when the module was unloaded. No notice follows an error.
    fn next(&mut self, limit: Option<Duration>) -> Result<Option<Notice>, Error>;
}

/// A subscription to the events of the network namespace that it is made in.
///
/// A thread of its own reads the socket, since a read of it has no limit of time. It ends with the
/// first notice after this value was dropped.
#[derive(Debug)]
pub struct Events(Receiver<Result<Notice, Error>>);

impl Events {
    /// Joins the group of events. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    ///
    /// Those of [`Socket::connect`]; [`Error::Refused`] with `EPERM` without the capability.
    pub fn subscribe() -> Result<Self, Error> {
        let mut socket = Socket::connect()?;
        // First, so that the end of the family is not missed.
        socket.join(controller::NAME, controller::GROUP_NOTIFY)?;
        socket.join(spec::FAMILY_NAME, spec::GROUP_EVENTS)?;
        let (sender, receiver) = sync_channel(WAITING);
        thread::spawn(move || read(&socket, &sender));
        Ok(Self(receiver))
    }
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

/// Reads the socket until an error, or until the receiver is gone.
fn read(socket: &Socket, sender: &SyncSender<Result<Notice, Error>>) {
    loop {
        let notices = match socket.receive() {
            Ok(bytes) => notices(&bytes, socket.family_number()),
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

/// Returns the events among the messages of a datagram; an error if the family is gone.
fn notices(datagram: &[u8], family: u16) -> Result<Vec<Notice>, Error> {
    let mut notices = Vec::new();
    for message in Messages(datagram) {
        let NetlinkPayload::InnerMessage(message) = message?.payload else {
            continue;
        };
        let GenericMessage {
            family: sender,
            command,
            ref attributes,
        } = message;
        let attributes = Attributes::new(attributes);
        if sender == family && command == spec::command::EVENT.number {
            notices.push(Notice::Event(Event::decode(attributes)?));
        } else if sender == controller::ID
            && command == controller::DELETE_FAMILY
            && attributes.get(controller::FAMILY_ID)? == Some(family)
        {
            return Err(Error::Unloaded);
        }
    }
    Ok(notices)
}

#[cfg(test)]
mod tests;
