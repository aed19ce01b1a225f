// SPDX-License-Identifier: GPL-2.0
// error: E0599

//! A listening socket for a packet cannot be looked for in a section of one's own, which may end
//! before TCP has the packet: the hook's context has that of the delivery.

use kernel::sync::rcu;
use rlvs_kext::{
    netfilter::{Context, LocalIn},
    sk_assign::Way,
    skbuff::Skb,
};

/// Hands the packet to a socket that nothing keeps.
pub fn steer(context: &Context<'_, LocalIn>, skb: &mut Skb<'_>, way: &Way<'_>) {
    let guard = rcu::read_lock();
    if let Some(target) = context.net().steer_target(way, &guard) {
        context.steer(skb, &target);
    }
}
