// SPDX-License-Identifier: GPL-2.0

//! Speaks the generic netlink family of rlvs.

#![forbid(unsafe_code)]

pub mod attribute;
pub mod client;
pub mod endpoint;
pub mod error;
pub mod event;
pub mod flags;
pub mod model;
mod module;
pub mod settings;
pub mod socket;
pub mod spec;
pub mod transport;
