// SPDX-License-Identifier: GPL-2.0
/* Copies of packets that are kept for a moment, to be handled once more. */
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/sizes.h>
#include <net/dst.h>
#include <net/xfrm.h>

#include "rlvs_helpers.h"

/* With its overhead a copy takes a page at most. */
#define RLVS_REPLAY_SIZE SKB_WITH_OVERHEAD(SZ_4K)

/*
 * A copy of a packet as it is at a hook. It holds no reference to anything, and
 * none of the memory of the device that the packet came in by. NULL for a large
 * packet, for one that the host has merged or will split, for one out of IPsec,
 * which a copy does not show, and without memory.
 */
struct sk_buff *rlvs_replay_copy(const struct sk_buff *skb)
{
	u32 room = skb_headroom(skb);
	struct sk_buff *copy;

	if (skb_is_gso(skb) || skb_sec_path(skb) ||
	    room + skb->len > RLVS_REPLAY_SIZE)
		return NULL;
	copy = skb_copy_expand(skb, room, 0, rlvs_packet_gfp() | __GFP_NOWARN);
	if (!copy)
		return NULL;
	skb_dst_drop(copy);
	nf_reset_ct(copy);
	nf_reset_trace(copy);
	skb_ext_reset(copy);
	copy->dev = NULL;
	return copy;
}

/*
 * The namespace that a packet is in, by a number that no other one ever gets,
 * and the device that it came in by, or that it is about to leave by.
 */
struct rlvs_replay_place rlvs_replay_place(const struct nf_hook_state *state)
{
	const struct net_device *dev = state->in ?: state->out;

	return (struct rlvs_replay_place){
		.net_cookie = state->net->net_cookie,
		.device = dev ? dev->ifindex : 0,
	};
}

/*
 * Lets a packet come in again by the device of this number. Captures there
 * have seen it, and so have tc and XDP in the driver: it begins behind them. Takes
 * @skb. Under rcu_read_lock(), in any context but hard interrupt.
 */
int rlvs_replay_receive(struct net *net, struct sk_buff *skb, int ifindex)
{
	struct net_device *dev = dev_get_by_index_rcu(net, ifindex);

	if (!dev) {
		kfree_skb(skb);
		return -ENODEV;
	}
	skb->dev = dev;
#ifdef CONFIG_NET_CLS_ACT
	skb->tc_skip_classify = 1;
#endif
	return netif_rx(skb) == NET_RX_SUCCESS ? 0 : -ENOBUFS;
}

/*
 * Sends a packet of this host again, as its socket's, as soon as the present one,
 * whose sender may hold locks, is done. @ifindex: where it was about to leave.
 * Takes @skb. Under rcu_read_lock(), in any context but hard interrupt.
 */
int rlvs_replay_send(struct net *net, struct sk_buff *skb, int ifindex)
{
	if (!rlvs_replay_set_sender(net, skb, ifindex)) {
		kfree_skb(skb);
		return -EHOSTUNREACH;
	}
	rlvs_netns_send_later(net, skb);
	return 0;
}
