// SPDX-License-Identifier: GPL-2.0

//! The way to the kernel.

use crate::error::Error;
use crate::request::{Reply, Request};

/// A way to the kernel, or to what a test puts in its place.
pub trait Transport {
    /// Sends a request and waits for the whole reply.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if the kernel does not carry the request out; otherwise what went wrong
    /// on the way.
    fn request(&mut self, request: &Request) -> Result<Reply, Error>;
}
