// SPDX-License-Identifier: GPL-2.0
// error: E0599

//! The parts of a packet that has no route yet cannot be sent on.

use kernel::prelude::*;
use rlvs_kext::{netfilter::Context, skbuff::Skb};

/// Sends the parts of a packet wherever the hook is.
pub fn send(context: &Context<'_>, skb: &mut Skb<'_>) -> Result {
    context.send_segments(skb)
}
