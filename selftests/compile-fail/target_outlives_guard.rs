// SPDX-License-Identifier: GPL-2.0
// error: E0515

//! A listening socket for a packet, which has no reference, cannot be kept longer than the read-side
//! section.

use kernel::sync::rcu;
use rlvs_kext::{
    inet::Net,
    steer::{Target, Way},
};

/// Keeps a socket.
pub fn keep<'a>(net: &Net, way: &Way<'_>) -> Option<Target<'a>> {
    let guard = rcu::read_lock();
    net.steer_target(way, &guard)
}
