// SPDX-License-Identifier: GPL-2.0
// error: E0061

//! A hook, which runs inside of a read-side section, cannot wait for a grace period: that needs a
//! handle of the namespace, which is lent where sleeping is allowed.

use rlvs_kext::{
    netfilter::{Context, Hook, LocalIn, NfProto, Verdict},
    rcu::{Pace, Retired},
    skbuff::Skb,
};

struct Waits;

impl<T> Hook<T> for Waits {
    const FAMILY: NfProto = NfProto::Ipv4;
    type At = LocalIn;
    const PRIORITY: i32 = 0;

    fn wants(_: &T, _: &Skb<'_>) -> bool {
        true
    }

    fn packet(_: &T, _: &Context<'_, LocalIn>, _: &mut Skb<'_>) -> Verdict {
        Retired::default().free(Pace::Usual);
        Verdict::Accept
    }
}
