// SPDX-License-Identifier: GPL-2.0

//! Messages on behalf of packets and requests: they must not flood the log.
//!
//! C header: [`include/linux/net.h`](srctree/include/linux/net.h)
//!
//! Upstream: `kernel::print` has no rate limit that packets may use.

use crate::bindings;
use kernel::sync::atomic::{Atomic, Relaxed};

/// Seconds from one message to the next.
const INTERVAL: u32 = 60;

/// Whether to write a message that somebody has caused by a request: false when there were too many
/// just before. Any context.
pub fn passes() -> bool {
    // SAFETY: An FFI call with no preconditions.
    unsafe { bindings::rlvs_net_ratelimit() }
}

/// Lets one message pass a minute, unless the network stack has had too many others just before.
pub struct Limit(Atomic<u32>);

impl Limit {
    /// A limit that lets the first message pass.
    pub const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Whether to write the message; true for one CPU only. `now` are seconds since boot. Any
    /// context.
    pub fn passes(&self, now: u32) -> bool {
        let last = self.0.load(Relaxed);
        if last != 0 && now.wrapping_sub(last) < INTERVAL {
            return false;
        }
        // Zero stands for never; the message may come a second early instead.
        if self.0.cmpxchg(last, now.max(1), Relaxed).is_err() {
            return false;
        }
        passes()
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self::new()
    }
}
