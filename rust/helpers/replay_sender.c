// SPDX-License-Identifier: GPL-2.0
/*
 * The sender of a packet that is sent again: its socket, which a copy has not
 * kept, and the flow by which it is routed.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/refcount.h>
#include <linux/security.h>
#include <net/inet_hashtables.h>
#include <net/inet_sock.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/route.h>
#include <net/sock.h>

#include "rlvs_helpers.h"

/* What the headers of a packet say of its sender. */
struct rlvs_sent {
	struct rlvs_ends ends;
	u8 protocol;
};

/* Ports are 0 where there are none. */
static struct rlvs_sent rlvs_sent_by(const struct sk_buff *skb)
{
	struct rlvs_sent sent = {
		.ends.ipv6 = skb->protocol == htons(ETH_P_IPV6),
	};
	int offset = skb_network_offset(skb);
	__be16 fragment, _ports[2];
	const __be16 *ports = NULL;

	if (sent.ends.ipv6) {
		sent.ends.local = (const u8 *)&ipv6_hdr(skb)->saddr;
		sent.ends.remote = (const u8 *)&ipv6_hdr(skb)->daddr;
		sent.protocol = ipv6_hdr(skb)->nexthdr;
		offset = ipv6_skip_exthdr(skb, offset + sizeof(struct ipv6hdr),
					  &sent.protocol, &fragment);
	} else {
		sent.ends.local = (const u8 *)&ip_hdr(skb)->saddr;
		sent.ends.remote = (const u8 *)&ip_hdr(skb)->daddr;
		sent.protocol = ip_hdr(skb)->protocol;
		offset += ip_hdrlen(skb);
	}
	if (offset >= 0)
		ports = skb_header_pointer(skb, offset, sizeof(_ports), _ports);
	if (ports) {
		sent.ends.local_port = ntohs(ports[0]);
		sent.ends.remote_port = ntohs(ports[1]);
	}
	return sent;
}

/* A packet of a VRF has its own routes. */
static int rlvs_sent_master(struct net *net, int ifindex)
{
	struct net_device *dev = dev_get_by_index_rcu(net, ifindex);

	return dev ? l3mdev_master_ifindex_rcu(dev) : 0;
}

/*
 * The socket that has sent a packet by the device @ifindex, with a reference; it
 * is looked up as for an answer. NULL if it is gone or others match as well,
 * and for SCTP, whose sockets only its own module finds.
 */
static struct sock *rlvs_sent_socket(struct net *net,
				     const struct rlvs_sent *sent, int ifindex)
{
	int master = rlvs_sent_master(net, ifindex);
	struct rlvs_device device = {
		.index = master ?: ifindex,
		.vrf_port = master ? ifindex : 0,
	};
	struct sock *sk = NULL;

	if (sent->protocol == IPPROTO_TCP) {
		sk = rlvs_find_at(net, &sent->ends, device);
	} else if (sent->protocol == IPPROTO_UDP) {
		sk = rlvs_find_bound(net, &sent->ends, device);
		/* A program may have chosen one of another port. */
		if (sk && (inet_sk(sk)->inet_num != sent->ends.local_port ||
			   !refcount_inc_not_zero(&sk->sk_refcnt)))
			sk = NULL;
	}
	if (!sk || sk_fullsock(sk))
		return sk;
	sock_gen_put(sk);
	return NULL;
}

static struct dst_entry *rlvs_sent_route4(struct net *net,
					  const struct sk_buff *skb,
					  const struct rlvs_sent *sent, int oif)
{
	const struct iphdr *iph = ip_hdr(skb);
	struct flowi4 fl4 = {
		.flowi4_oif = oif,
		.flowi4_dscp = ip4h_dscp(iph),
		.flowi4_mark = skb->mark,
		.flowi4_proto = sent->protocol,
		.flowi4_flags = FLOWI_FLAG_ANYSRC,
		.flowi4_uid = sock_net_uid(net, skb->sk),
		.daddr = iph->daddr,
		.saddr = iph->saddr,
		.fl4_dport = htons(sent->ends.remote_port),
		.fl4_sport = htons(sent->ends.local_port),
	};
	struct rtable *rt;

	if (skb->sk)
		security_sk_classify_flow(skb->sk, flowi4_to_flowi_common(&fl4));
	rt = ip_route_output_flow(net, &fl4, skb->sk);
	return IS_ERR(rt) ? NULL : &rt->dst;
}

static struct dst_entry *rlvs_sent_route6(struct net *net,
					  const struct sk_buff *skb,
					  const struct rlvs_sent *sent, int oif)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);
	struct flowi6 fl6 = {
		.flowi6_oif = oif,
		.flowi6_mark = skb->mark,
		.flowi6_proto = sent->protocol,
		.flowi6_uid = sock_net_uid(net, skb->sk),
		.daddr = ip6h->daddr,
		.saddr = ip6h->saddr,
		.flowlabel = ip6_flowinfo(ip6h),
		.fl6_dport = htons(sent->ends.remote_port),
		.fl6_sport = htons(sent->ends.local_port),
	};
	struct dst_entry *dst;

	if (skb->sk)
		security_sk_classify_flow(skb->sk, flowi6_to_flowi_common(&fl6));
	dst = ip6_dst_lookup_flow(net, skb->sk, &fl6, NULL);
	return IS_ERR(dst) ? NULL : dst;
}

/*
 * Gives a packet of this host, which was about to leave by the device @ifindex,
 * its socket again, if that is still there, and a route. False without one. Under
 * rcu_read_lock(), in any context but hard interrupt.
 */
bool rlvs_replay_set_sender(struct net *net, struct sk_buff *skb, int ifindex)
{
	struct rlvs_sent sent = rlvs_sent_by(skb);
	struct sock *sk = rlvs_sent_socket(net, &sent, ifindex);
	int oif = sk ? READ_ONCE(sk->sk_bound_dev_if) : 0;
	struct dst_entry *dst;

	if (sk) {
		/* Counts as what the socket has sent, by which it stays. */
		skb_set_owner_w(skb, sk);
		sock_put(sk);
	}
	if (!oif)
		oif = rlvs_sent_master(net, ifindex);
	/* A link-local address is one of a link. */
	if (!oif && sent.ends.ipv6 &&
	    ipv6_addr_type(&ipv6_hdr(skb)->daddr) & IPV6_ADDR_LINKLOCAL)
		oif = ifindex;
	dst = sent.ends.ipv6 ? rlvs_sent_route6(net, skb, &sent, oif) :
			       rlvs_sent_route4(net, skb, &sent, oif);
	if (dst)
		skb_dst_set(skb, dst);
	return dst;
}
