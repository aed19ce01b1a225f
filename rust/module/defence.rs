// SPDX-License-Identifier: GPL-2.0

//! The defence against floods, as the periodic work and packets carry it out. What is dropped is
//! decided in `rlvs_core::defence`.

use kernel::sync::atomic::{Atomic, Relaxed};
use rlvs_core::defence::{self, Memory};
use rlvs_kext::{memory, rwonce::Once};

use crate::sysctl::Sysctls;

/// What `drop_packet` is doing in a namespace.
pub(crate) struct DropPacket {
    /// Of how many packets one is dropped; 0 for none. Written by the periodic work.
    /// Guarded by: atomic; written by the periodic work.
    rate: Atomic<u32>,
    /// How many packets were looked at while it was on.
    /// Guarded by: atomic; added to by any packet that is looked at.
    seen: Atomic<u32>,
}

impl DropPacket {
    /// Drops nothing.
    pub(crate) const fn new() -> Self {
        Self {
            rate: Atomic::new(0),
            seen: Atomic::new(0),
        }
    }

    /// Whether this packet, the first of a connection, is one that goes.
    #[inline]
    pub(crate) fn takes_next(&self, sysctls: &Sysctls) -> bool {
        // The rate may be left from before the operator has switched it off.
        sysctls.drop_packet().is_on() && {
            let rate = self.rate.read_once();
            rate != 0 && defence::drops(self.seen.fetch_add(1, Relaxed), rate)
        }
    }
}

/// Looks at the memory and adapts the automatic modes and the rate; once a second. Any context.
pub(crate) fn adapt(sysctls: &Sysctls, drop_packet: &DropPacket) {
    let memory = Memory {
        available: memory::available_pages(),
        threshold: u64::from(sysctls.amemthresh()),
    };
    sysctls.move_modes(memory.is_short());
    let rate = defence::drop_rate(sysctls.drop_packet(), memory, sysctls.am_droprate());
    drop_packet.rate.store(rate, Relaxed);
}
