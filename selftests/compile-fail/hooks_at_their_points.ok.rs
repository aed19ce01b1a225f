// SPDX-License-Identifier: GPL-2.0

//! Compiles: what a packet may have done to it at each hook. It shows that the other files fail for
//! what they say.

use kernel::prelude::*;
use rlvs_kext::{
    netfilter::{Context, LocalIn, LocalOut, PreRouting},
    sk_assign::{Target, Way},
    skbuff::Skb,
    sock::Device,
};

/// What all hooks have in common.
pub fn device(context: &Context<'_>) -> Device {
    context.input_device()
}

/// A packet that has come in.
pub fn incoming(context: &Context<'_, PreRouting>) -> Device {
    device(context)
}

/// A packet that this host sends.
pub fn outgoing(context: &Context<'_, LocalOut>, skb: &mut Skb<'_>) -> Result {
    device(context);
    context.reroute(skb)?;
    context.send_segments(skb)
}

/// A packet that has come in for this host.
pub fn delivered(context: &Context<'_, LocalIn>, skb: &mut Skb<'_>, way: &Way<'_>) {
    device(context);
    if let Some(target) = found(context, way) {
        context.steer(skb, &target);
    }
}

/// Its socket, which lives as long as the section.
pub fn found<'a>(context: &Context<'a, LocalIn>, way: &Way<'_>) -> Option<Target<'a>> {
    context.steer_target(way)
}
