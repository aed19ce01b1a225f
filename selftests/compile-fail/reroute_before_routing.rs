// SPDX-License-Identifier: GPL-2.0
// error: E0599

//! A packet that has no route yet cannot be routed anew: the kernel reads the device of the old one.

use kernel::prelude::*;
use rlvs_kext::{
    netfilter::{Context, PreRouting},
    skbuff::Skb,
};

/// Routes a packet that has come in.
pub fn reroute(context: &Context<'_, PreRouting>, skb: &mut Skb<'_>) -> Result {
    context.reroute(skb)
}
