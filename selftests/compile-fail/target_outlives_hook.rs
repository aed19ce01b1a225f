// SPDX-License-Identifier: GPL-2.0
// error: E0621

//! A listening socket for a packet, which has no reference, cannot be kept longer than the read-side
//! section that the packet is delivered in.

use rlvs_kext::{
    netfilter::{Context, LocalIn},
    sk_assign::{Target, Way},
};

/// Keeps a socket.
pub fn keep<'a>(context: &Context<'_, LocalIn>, way: &Way<'_>) -> Option<Target<'a>> {
    context.steer_target(way)
}
