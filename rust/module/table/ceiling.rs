// SPDX-License-Identifier: GPL-2.0

//! How many entries all namespaces may have together: connections, templates and records.
//!
//! Entries are made by packets, without a request whose process could be charged for them. What a
//! namespace may have is bounded by its `conn_max`; but a user may have many namespaces.

use kernel::{prelude::*, sync::atomic::Relaxed};
use rlvs_kext::{flow_total, memory, net::Net, ratelimit::Limit};

use crate::sysctl::CONN_MAX_TOTAL;

/// Of how many bytes of the host's memory there may be one entry: an eighth of the memory for
/// entries of IPv6, which take 144 to 190 bytes each with their places in the table.
const BYTES: u64 = 8 * 192;

/// As many entries a host may have in any case.
const LEAST: i32 = 1 << 16;

/// Of how many parts of the ceiling the last one is the first namespace's alone.
const PARTS: u32 = 4;

/// Sets the ceiling by the host's memory. Before there is a namespace.
pub(crate) fn prepare() {
    let bytes = memory::all_pages().saturating_mul(kernel::page::PAGE_SIZE as u64);
    let most = i32::try_from(bytes / BYTES).unwrap_or(i32::MAX).max(LEAST);
    CONN_MAX_TOTAL.store(most, Relaxed);
}

/// The ceiling.
fn most() -> u32 {
    u32::try_from(CONN_MAX_TOTAL.load(Relaxed)).unwrap_or(0)
}

/// How many entries a namespace that is not the first one may have if nothing else was set: a
/// quarter of all.
pub(crate) fn share() -> i32 {
    i32::try_from(most() / PARTS).unwrap_or(i32::MAX)
}

/// A namespace under the ceiling.
pub(crate) struct Ceiling {
    is_first: bool,
    /// For the message that the ceiling is reached.
    message: Limit,
}

impl Ceiling {
    /// Of a new namespace.
    pub(crate) fn new(net: &Net) -> Self {
        Self {
            is_first: net.is_first(),
            message: Limit::new(),
        }
    }

    /// How many entries of all namespaces there may be when this one gets another: a quarter of the
    /// ceiling is kept for the host's own.
    pub(crate) fn most(&self) -> u32 {
        let most = most();
        if self.is_first {
            return most;
        }
        most.saturating_sub(most / PARTS)
    }

    /// Whether the namespace may have another entry, as far as those of all namespaces are
    /// concerned. Logs that it may not, one message a minute. `now` are seconds since
    /// boot.
    #[inline]
    pub(crate) fn has_room(&self, net: &Net, now: u32) -> bool {
        let most = self.most();
        if flow_total::flows() < most {
            return true;
        }
        self.tell(net, most, now);
        false
    }

    #[cold]
    fn tell(&self, net: &Net, most: u32, now: u32) {
        if self.message.passes(net, now) {
            let inode = net.inode();
            pr_warn!(
                "net:[{inode}]: new connections are refused: all namespaces together have {most}, \
                 as many as net.ipv4.vs.conn_max_total allows\n"
            );
        }
    }
}
