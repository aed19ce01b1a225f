// SPDX-License-Identifier: GPL-2.0

//! Speaks the generic netlink family of rlvs.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod attribute;
pub mod client;
mod collector;
mod controller;
pub mod endpoint;
pub mod error;
pub mod event;
pub mod flags;
pub mod malformed;
mod message;
pub mod method;
pub mod model;
pub mod module;
pub mod rates;
pub mod refusal;
pub mod request;
pub mod settings;
pub mod socket;
pub mod spec;
pub mod subscription;
pub mod transport;
