// SPDX-License-Identifier: GPL-2.0

//! Messages on behalf of packets and requests: they must not flood the log.
//!
//! C header: [`include/linux/ratelimit.h`](srctree/include/linux/ratelimit.h)
//!
//! Upstream: `kernel::print` has no rate limit that packets may use.

use crate::{bindings, net::Net};
use kernel::sync::atomic::{Atomic, Relaxed};

/// Seconds from one message to the next.
const INTERVAL: u32 = 60;

/// Returns `true` if a message about a namespace that a request or a packet has caused may be
/// written; `false` when the module has written too many just before. Namespaces that belong to the
/// host's user namespace have a limit together, and all others have one, a lower one. Any context.
pub fn passes(net: &Net) -> bool {
    // SAFETY: The namespace is alive.
    unsafe { bindings::rlvs_log_passes(net.as_ptr()) }
}

/// Lets one message of a namespace pass a minute, unless there were too many others just before.
/// Guarded by: atomic; moved by compare-and-exchange.
pub struct Limit(Atomic<u32>);

impl Limit {
    /// A limit that lets the first message pass.
    pub const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Returns `true` if the message, which is about `net`, is to be written, to one CPU only.
    /// `now` is in seconds since boot. Any context.
    pub fn passes(&self, net: &Net, now: u32) -> bool {
        let last = self.0.load(Relaxed);
        if last != 0 && now.wrapping_sub(last) < INTERVAL {
            return false;
        }
        // Zero stands for never; the message may come a second early instead.
        if self.0.cmpxchg(last, now.max(1), Relaxed).is_err() {
            return false;
        }
        passes(net)
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self::new()
    }
}
