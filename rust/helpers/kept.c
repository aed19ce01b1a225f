// SPDX-License-Identifier: GPL-2.0
/* Copies of packets that are kept for a moment, to be handled once more. */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/sizes.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/route.h>

#include "rlvs_helpers.h"

/* With its overhead a copy takes a page at most. */
#define RLVS_KEPT_SIZE SKB_WITH_OVERHEAD(SZ_4K)

/*
 * A copy of a packet as it is at a hook. It holds no reference to anything, and
 * none of the memory of the device that the packet came in by. NULL for a large
 * packet, for one that the host has merged or will split, for one out of IPsec,
 * which a copy does not show, and without memory.
 */
struct sk_buff *rlvs_kept_copy(const struct sk_buff *skb)
{
	u32 room = skb_headroom(skb);
	struct sk_buff *copy;

	if (skb_is_gso(skb) || skb_sec_path(skb) ||
	    room + skb->len > RLVS_KEPT_SIZE)
		return NULL;
	copy = skb_copy_expand(skb, room, 0, GFP_ATOMIC | __GFP_NOWARN);
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
struct rlvs_kept_place rlvs_kept_place(const struct nf_hook_state *state)
{
	const struct net_device *dev = state->in ?: state->out;

	return (struct rlvs_kept_place){
		.net_cookie = state->net->net_cookie,
		.device = dev ? dev->ifindex : 0,
	};
}

/*
 * Lets a packet come in again by the device of this number. Who captures there
 * has seen it, and so have tc and XDP in the driver: it begins behind them. Takes
 * @skb. Under rcu_read_lock(), in any context but hard interrupt.
 */
int rlvs_kept_receive(struct net *net, struct sk_buff *skb, int ifindex)
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

/* A packet of a VRF has its own routes. */
static int rlvs_kept_master(struct net *net, int ifindex)
{
	struct net_device *dev = dev_get_by_index_rcu(net, ifindex);

	return dev ? l3mdev_master_ifindex_rcu(dev) : 0;
}

static struct dst_entry *rlvs_kept_route4(struct net *net,
					  const struct sk_buff *skb,
					  int ifindex)
{
	const struct iphdr *iph = ip_hdr(skb);
	struct flowi4 fl4 = {
		.flowi4_oif = rlvs_kept_master(net, ifindex),
		.flowi4_dscp = ip4h_dscp(iph),
		.flowi4_mark = skb->mark,
		.flowi4_proto = iph->protocol,
		.flowi4_flags = FLOWI_FLAG_ANYSRC,
		.daddr = iph->daddr,
		.saddr = iph->saddr,
	};
	struct rtable *rt = ip_route_output_key(net, &fl4);

	return IS_ERR(rt) ? NULL : &rt->dst;
}

static struct dst_entry *rlvs_kept_route6(struct net *net,
					  const struct sk_buff *skb,
					  int ifindex)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);
	struct flowi6 fl6 = {
		.flowi6_oif = rlvs_kept_master(net, ifindex),
		.flowi6_mark = skb->mark,
		.daddr = ip6h->daddr,
		.saddr = ip6h->saddr,
		.flowlabel = ip6_flowinfo(ip6h),
	};
	struct dst_entry *dst;

	/* A link-local address is one of a link. */
	if (!fl6.flowi6_oif && ipv6_addr_type(&ip6h->daddr) & IPV6_ADDR_LINKLOCAL)
		fl6.flowi6_oif = ifindex;
	dst = ip6_route_output(net, NULL, &fl6);
	if (!dst->error)
		return dst;
	dst_release(dst);
	return NULL;
}

/*
 * Sends a packet of this host again as soon as the present one, whose sender may
 * hold locks, is done. @ifindex: where it was about to leave. Takes @skb. Under
 * rcu_read_lock(), in any context but hard interrupt.
 */
int rlvs_kept_send(struct net *net, struct sk_buff *skb, int ifindex)
{
	bool ipv4 = skb->protocol == htons(ETH_P_IP);
	struct dst_entry *dst;

	dst = ipv4 ? rlvs_kept_route4(net, skb, ifindex) :
		     rlvs_kept_route6(net, skb, ifindex);
	if (!dst) {
		kfree_skb(skb);
		return -EHOSTUNREACH;
	}
	skb_dst_set(skb, dst);
	rlvs_netns_send_later(net, skb);
	return 0;
}

/* What is sent later, when it is. In softirq, with nothing held. */
void rlvs_kept_sent(struct net *net, struct sk_buff *skb)
{
	rcu_read_lock();
	if (skb->protocol == htons(ETH_P_IP))
		ip_local_out(net, NULL, skb);
	else
		ip6_local_out(net, NULL, skb);
	rcu_read_unlock();
}
