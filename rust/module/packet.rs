// SPDX-License-Identifier: GPL-2.0

//! What becomes of packets, in the hooks of netfilter.
//!
//! A client's packet is rewritten before connection tracking sees it, an answer after connection
//! tracking and the filter have seen it, so that those see one consistent flow between the client
//! and the destination. A packet that this host sends to itself passes both directions' hooks at
//! `LOCAL_OUT` and none at `PRE_ROUTING`.
//!
//! Connections of clients with the same address are kept apart by their *zone*, which is a part of
//! each key: the link of a client with a link-local address, or the VRF that the packet comes in
//! by, or goes out by if it is an answer. Any other client is in zone 0.

mod admit;
mod answer;
mod client;
mod forward;
mod icmp;
mod local;
mod offer;
mod one_packet;
mod passage;
mod private;
mod read;
mod refuse;
mod retry;
mod schedule;
mod tracking;
mod udp;
mod unhandled;

pub(crate) use answer::Reply;
pub(crate) use client::{Incoming, LocalClient};
pub(crate) use forward::steer::Steering;
