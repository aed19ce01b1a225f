// SPDX-License-Identifier: GPL-2.0

//! Speaks the generic netlink family of rlvs, the load balancer of the Linux kernel.
//!
//! [`client::Client`] has an operation for each command of the family, over a
//! [`transport::Transport`]: [`socket::Socket`], or what a test puts in its place.
//! [`subscription::Events`] reports what becomes of destinations. All act on the network namespace
//! of the thread that opened them. What the kernel replies is in [`model`]; why it refuses, with
//! the attribute at fault, in [`refusal::Refusal`].
//!
//! [`configuration::Configuration`] is what is set, apart from what it has carried; [`document`] is
//! how it is written, and [`plan`] how one becomes another.
//!
//! The crate prints nothing, and starts a program only in [`module::load`]. A request blocks its
//! thread until the kernel has answered, which takes an RCU grace period where something is deleted;
//! a program with an event loop makes them on a thread of their own.
//!
//! ```no_run
//! use rlvs_client::client::Client;
//! use rlvs_client::endpoint::{DestinationRange, ServiceId};
//! use rlvs_client::error::Error;
//! use rlvs_client::settings::{DestinationSettings, ServiceSettings};
//! use rlvs_client::socket::Socket;
//!
//! /// `EEXIST`: there is such a service.
//! const EEXIST: i32 = 17;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut client = Client::new(Socket::connect()?);
//! let web: ServiceId = "tcp://192.0.2.10:80".parse()?;
//! let settings = ServiceSettings {
//!     scheduler: Some("p2c".into()),
//!     ..ServiceSettings::default()
//! };
//! match client.add_service(&web, &settings) {
//!     Err(Error::Refused(refusal)) if refusal.errno == EEXIST => {}
//!     added => {
//!         if let Some(note) = added? {
//!             eprintln!("{web}: {note}");
//!         }
//!     }
//! }
//! let workers: DestinationRange = ":8001-8004".parse()?;
//! client.add_destinations(&web, &workers, &DestinationSettings::default())?;
//! for destination in client.destinations(&web)? {
//!     println!("{} {:?}", destination.port, destination.listening);
//! }
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod attribute;
pub mod change;
pub mod client;
mod collector;
pub mod configuration;
mod controller;
mod difference;
pub mod document;
pub mod endpoint;
pub mod error;
pub mod event;
pub mod flags;
pub mod ipvsadm;
pub mod malformed;
mod message;
pub mod method;
pub mod model;
pub mod module;
pub mod netmask;
pub mod plan;
pub mod rates;
pub mod refusal;
pub mod request;
pub mod settings;
pub mod socket;
pub mod spec;
pub mod step;
pub mod subscription;
pub mod transport;

#[cfg(test)]
mod testing;

#[cfg(test)]
mod tests {
    #[test]
    fn a_program_can_hand_them_to_its_threads() {
        fn can_be_sent<T: Send + 'static>() {}
        can_be_sent::<crate::client::Client<crate::socket::Socket>>();
        can_be_sent::<crate::subscription::Events>();
        can_be_sent::<crate::error::Error>();
    }
}
