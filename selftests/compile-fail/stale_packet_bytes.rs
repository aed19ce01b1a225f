// SPDX-License-Identifier: GPL-2.0
// error: E0499

//! Bytes of a packet cannot be used after the packet's data may have moved.

use rlvs_kext::skbuff::Skb;

/// Uses a slice over another call that makes the packet writable.
pub fn stale(skb: &mut Skb<'_>) -> Option<u8> {
    let (before, _) = skb.writable(20, 0)?;
    let _after = skb.writable(40, 0)?;
    before.first().copied()
}
