// SPDX-License-Identifier: GPL-2.0
// error: E0599

//! A packet that this host sends, and that may wait in a queue for longer than a read-side section,
//! cannot be given a socket without a reference.

use rlvs_kext::{
    netfilter::{Context, LocalOut},
    sk_assign::Target,
    skbuff::Skb,
};

/// Gives the packet a socket.
pub fn steer(context: &Context<'_, LocalOut>, skb: &mut Skb<'_>, target: &Target<'_>) {
    context.steer(skb, target);
}
