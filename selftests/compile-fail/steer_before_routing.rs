// SPDX-License-Identifier: GPL-2.0
// error: E0599

//! A packet that was not routed yet, and that may leave the host again, cannot be given a socket.

use rlvs_kext::{
    netfilter::{Context, PreRouting},
    sk_assign::Target,
    skbuff::Skb,
};

/// Gives the packet a socket.
pub fn steer(context: &Context<'_, PreRouting>, skb: &mut Skb<'_>, target: &Target<'_>) {
    context.steer(skb, target);
}
