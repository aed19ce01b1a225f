// SPDX-License-Identifier: GPL-2.0
/* An IP packet back to where another one came from. */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/route.h>

#include "rlvs_helpers.h"

/* The VRF whose routes lead back, or 0. */
static int rlvs_vrf_of(const struct nf_hook_state *state)
{
	return state->in ? l3mdev_master_ifindex_rcu(state->in) : 0;
}

/*
 * The way from @skb's destination to its source. The address that it leaves
 * from need not be the host's. NULL when there is none, or none to one host.
 */
static struct dst_entry *rlvs_way_back4(const struct sk_buff *skb,
					const struct nf_hook_state *state,
					u8 protocol)
{
	struct net *net = state->net;
	const struct iphdr *iph = ip_hdr(skb);
	struct flowi4 fl4 = {
		.daddr = iph->saddr,
		.saddr = iph->daddr,
		.flowi4_proto = protocol,
		.flowi4_mark = IP4_REPLY_MARK(net, skb->mark),
		.flowi4_oif = rlvs_vrf_of(state),
		.flowi4_flags = FLOWI_FLAG_ANYSRC,
	};
	struct rtable *rt;

	if (ipv4_is_zeronet(iph->saddr))
		return NULL;
	rt = ip_route_output_key(net, &fl4);
	if (IS_ERR(rt))
		return NULL;
	if (rt->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) {
		ip_rt_put(rt);
		return NULL;
	}
	return &rt->dst;
}

/*
 * The route back to where an IPv6 packet comes from; NULL if there is none. A
 * link-local client is on the link that @skb came in by.
 */
static struct dst_entry *rlvs_way_back6(const struct sk_buff *skb,
					const struct nf_hook_state *state,
					u8 protocol)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);
	int type = ipv6_addr_type(&ip6h->saddr);
	struct flowi6 fl6 = {
		.daddr = ip6h->saddr,
		.saddr = ip6h->daddr,
		.flowi6_proto = protocol,
		.flowi6_mark = IP6_REPLY_MARK(state->net, skb->mark),
		.flowi6_oif = rlvs_vrf_of(state),
	};
	struct dst_entry *dst;

	if (!(type & IPV6_ADDR_UNICAST))
		return NULL;
	if ((type & IPV6_ADDR_LINKLOCAL) && state->in)
		fl6.flowi6_oif = state->in->ifindex;
	dst = ip6_route_output(state->net, NULL, &fl6);
	if (dst->error) {
		dst_release(dst);
		return NULL;
	}
	return dst;
}

/* The rest of the header is written when the packet is sent. */
static void rlvs_put_header4(struct sk_buff *answer, const struct sk_buff *skb,
			     u8 protocol)
{
	const struct iphdr *from = ip_hdr(skb);
	struct iphdr *iph = skb_push(answer, sizeof(*iph));

	skb_reset_network_header(answer);
	*iph = (struct iphdr){
		.version = 4,
		.ihl = sizeof(*iph) / 4,
		.frag_off = htons(IP_DF),
		.ttl = ip4_dst_hoplimit(skb_dst(answer)),
		.protocol = protocol,
		.saddr = from->daddr,
		.daddr = from->saddr,
	};
}

static void rlvs_put_header6(struct sk_buff *answer, const struct sk_buff *skb,
			     u8 protocol)
{
	const struct ipv6hdr *from = ipv6_hdr(skb);
	struct ipv6hdr *ip6h = skb_push(answer, sizeof(*ip6h));

	skb_reset_network_header(answer);
	*ip6h = (struct ipv6hdr){
		.version = 6,
		.nexthdr = protocol,
		.hop_limit = ip6_dst_hoplimit(skb_dst(answer)),
		.saddr = from->daddr,
		.daddr = from->saddr,
	};
}

/*
 * Sends a packet of @protocol with these @len bytes and @mark from where @skb goes
 * to where it comes from. Any context but hard interrupt.
 */
void rlvs_hook_answer(const struct sk_buff *skb,
		      const struct nf_hook_state *state, u8 protocol,
		      const u8 *payload, u16 len, struct rlvs_mark *mark)
{
	bool ipv4 = state->pf == NFPROTO_IPV4;
	struct sk_buff *answer;
	struct dst_entry *dst;

	dst = ipv4 ? rlvs_way_back4(skb, state, protocol) :
		     rlvs_way_back6(skb, state, protocol);
	if (!dst)
		return;
	answer = alloc_skb(LL_MAX_HEADER + sizeof(struct ipv6hdr) + len,
			   GFP_ATOMIC);
	if (!answer) {
		dst_release(dst);
		return;
	}
	skb_dst_set(answer, dst);
	rlvs_mark_give(answer, mark);
	skb_reserve(answer, LL_MAX_HEADER + sizeof(struct ipv6hdr));
	skb_put_data(answer, payload, len);
	skb_reset_transport_header(answer);
	if (ipv4) {
		answer->mark = IP4_REPLY_MARK(state->net, skb->mark);
		rlvs_put_header4(answer, skb, protocol);
		ip_local_out(state->net, NULL, answer);
	} else {
		answer->mark = IP6_REPLY_MARK(state->net, skb->mark);
		rlvs_put_header6(answer, skb, protocol);
		ip6_local_out(state->net, NULL, answer);
	}
}
