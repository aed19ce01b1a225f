// SPDX-License-Identifier: GPL-2.0
/* Hooks of one network namespace, and what a hook may do with a packet. */
#include <linux/etherdevice.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/slab.h>
#include <net/netfilter/ipv4/nf_defrag_ipv4.h>
#include <net/netfilter/ipv4/nf_reject.h>
#include <net/netfilter/ipv6/nf_defrag_ipv6.h>
#include <net/netfilter/ipv6/nf_reject.h>
#include <net/flow.h>
#include <net/gso.h>
#include <net/l3mdev.h>
#include <net/route.h>

#include "rlvs_helpers.h"

struct rlvs_hooks {
	struct rcu_head rcu;
	u32 count;
	struct nf_hook_ops ops[];
};

static int rlvs_defrag6_enable(struct net *net)
{
	return ipv6_mod_enabled() ? nf_defrag_ipv6_enable(net) : 0;
}

static void rlvs_defrag6_disable(struct net *net)
{
	if (ipv6_mod_enabled())
		nf_defrag_ipv6_disable(net);
}

/*
 * Registers @count hooks that get @priv, with defragmentation before them; where
 * the kernel has no IPv6 all but those of IPv6, so that what handles IPv6 packets
 * need not ask. An error pointer when it fails; nothing is registered then. May
 * sleep.
 */
struct rlvs_hooks *rlvs_hooks_register(struct net *net,
				       const struct rlvs_hook *hooks, u32 count,
				       void *priv)
{
	struct rlvs_hooks *registered;
	struct nf_hook_ops *ops;
	int err;
	u32 i;

	registered = kzalloc_flex(*registered, ops, count, GFP_KERNEL_ACCOUNT);
	if (!registered)
		return ERR_PTR(-ENOMEM);

	for (i = 0; i < count; i++) {
		if (hooks[i].pf == NFPROTO_IPV6 && !ipv6_mod_enabled())
			continue;
		ops = &registered->ops[registered->count++];
		ops->hook = hooks[i].run;
		ops->priv = priv;
		ops->pf = hooks[i].pf;
		ops->hooknum = hooks[i].hooknum;
		ops->priority = hooks[i].priority;
	}

	err = nf_defrag_ipv4_enable(net);
	if (err)
		goto err_free;
	err = rlvs_defrag6_enable(net);
	if (err)
		goto err_defrag4;
	err = nf_register_net_hooks(net, registered->ops, registered->count);
	if (err)
		goto err_defrag6;
	return registered;

err_defrag6:
	rlvs_defrag6_disable(net);
err_defrag4:
	nf_defrag_ipv4_disable(net);
err_free:
	kfree(registered);
	return ERR_PTR(err);
}

/*
 * No packet that comes from now on is handled by the hooks. Those that are being
 * handled are not waited for: see rlvs_hooks_free(). May sleep.
 */
void rlvs_hooks_unregister(struct net *net, struct rlvs_hooks *registered)
{
	nf_unregister_net_hooks(net, registered->ops, registered->count);
	rlvs_defrag6_disable(net);
	nf_defrag_ipv4_disable(net);
}

/* Waits until none of the unregistered hooks runs any more. May sleep. */
void rlvs_hooks_free(struct rlvs_hooks *registered)
{
	synchronize_net();
	kfree(registered);
}

/*
 * Frees the unregistered hooks after a grace period, without waiting: the caller
 * keeps what they use.
 */
void rlvs_hooks_free_later(struct rlvs_hooks *registered)
{
	kfree_rcu(registered, rcu);
}

/*
 * A VRF device gets packets after the device that they came in by, and those
 * that the host sends to itself inside the VRF.
 */
static bool rlvs_seen_before(const struct nf_hook_state *state)
{
	return state->in && ((state->in->flags & IFF_LOOPBACK) ||
			     netif_is_l3_master(state->in));
}

/*
 * What a socket in a VRF sends passes LOCAL_OUT for the VRF device and then for
 * the device that it leaves by. Only inside the VRF both are the same.
 */
static bool rlvs_comes_again(const struct sk_buff *skb,
			     const struct nf_hook_state *state)
{
	return state->out && netif_is_l3_master(state->out) &&
	       skb_dst(skb) && skb_dst(skb)->dev != state->out;
}

#if IS_ENABLED(CONFIG_BRIDGE_NETFILTER)
/* Devices on a bridge that are looked at for one frame. */
#define RLVS_UPPERS 64

/*
 * Returns true if a device of the namespace on top of a bridge, like a macvlan,
 * has a link address. Its frames come by the bridge's hooks, and by none after
 * them.
 */
static bool rlvs_is_above(struct net_device *bridge, const u8 *address)
{
	u32 left = RLVS_UPPERS;
	struct net_device *upper;
	struct list_head *iter;

	netdev_for_each_upper_dev_rcu(bridge, upper, iter) {
		if (!left--)
			break;
		if (ether_addr_equal(address, upper->dev_addr) &&
		    net_eq(dev_net(upper), dev_net(bridge)))
			return true;
	}
	return false;
}

/*
 * A bridge takes frames to its own address and to those of its ports, and to
 * those of the devices on top of it.
 */
static bool rlvs_bridge_takes(const struct sk_buff *skb,
			      const struct nf_hook_state *state)
{
	const u8 *to = eth_hdr(skb)->h_dest;
	const struct net_device *port;

	if (!nf_bridge_info_exists(skb) || !state->in)
		return true;
	port = nf_bridge_get_physindev(skb, state->net);
	return ether_addr_equal(to, state->in->dev_addr) ||
	       (port && ether_addr_equal(to, port->dev_addr)) ||
	       rlvs_is_above(state->in, to);
}
#else
static bool rlvs_bridge_takes(const struct sk_buff *skb,
			      const struct nf_hook_state *state)
{
	return true;
}
#endif

/*
 * Returns true if a packet that comes in was sent to this host: not in a frame to
 * all, nor in one that is on its way through a bridge.
 */
bool rlvs_hook_for_host(const struct sk_buff *skb,
			const struct nf_hook_state *state)
{
	if (skb->pkt_type == PACKET_BROADCAST ||
	    skb->pkt_type == PACKET_MULTICAST)
		return false;
	return rlvs_bridge_takes(skb, state);
}

/*
 * Returns whether a packet is to be handled here, and not at another hook, and
 * the VRF that it is in: the device is looked at for both.
 */
struct rlvs_concern rlvs_hook_concerns(const struct sk_buff *skb,
				       const struct nf_hook_state *state)
{
	const struct net_device *dev = state->in ?: state->out;
	struct rlvs_concern concern = {};

	if (dev && unlikely(netif_is_l3_master(dev) || netif_is_l3_slave(dev)))
		concern.vrf = rlvs_hook_vrf(state);
	if (state->hook == NF_INET_LOCAL_OUT)
		concern.here = !rlvs_comes_again(skb, state);
	else
		concern.here = !rlvs_seen_before(state) &&
			       rlvs_hook_for_host(skb, state);
	return concern;
}

/*
 * Sockets of a VRF are bound to its device, not to one that belongs to it. What
 * a socket in a VRF sends to an address of the VRF comes back by its device,
 * anything else that the host sends to itself by the loopback device.
 */
struct rlvs_device rlvs_hook_input_device(const struct nf_hook_state *state)
{
	const struct net_device *dev = state->in;
	int master;

	if (!dev) {
		dev = state->out;
		if (!dev || !netif_is_l3_master(dev))
			return (struct rlvs_device){ .index = LOOPBACK_IFINDEX };
	}
	master = l3mdev_master_ifindex_rcu(dev);
	return (struct rlvs_device){
		.index = master ?: dev->ifindex,
		.vrf_port = master ? dev->ifindex : 0,
	};
}

/*
 * What answers a packet before it was routed looks for the way back in the main
 * routing table. A packet that came in by a VRF gets a route of the VRF first.
 */
static void rlvs_route_in_vrf(struct sk_buff *skb,
			      const struct nf_hook_state *state)
{
	int vrf = state->in ? l3mdev_master_ifindex_rcu(state->in) : 0;
	struct flowi fl = { .flowi_oif = vrf };
	struct dst_entry *dst = NULL;

	if (!vrf || skb_dst(skb))
		return;
	if (state->pf == NFPROTO_IPV4) {
		fl.u.ip4.daddr = ip_hdr(skb)->saddr;
		nf_ip_route(state->net, &dst, &fl, false);
	} else {
		fl.u.ip6.daddr = ipv6_hdr(skb)->saddr;
		nf_ip6_route(state->net, &dst, &fl, false);
	}
	if (dst)
		skb_dst_set(skb, dst);
}

/*
 * Answers a TCP segment with a reset, which has @mark when it is sent. @skb stays
 * the caller's.
 */
void rlvs_hook_reset(struct sk_buff *skb, const struct nf_hook_state *state,
		     struct rlvs_mark *mark)
{
	unsigned long before = rlvs_mark_put_on(skb, mark);

	rlvs_route_in_vrf(skb, state);
	if (state->pf == NFPROTO_IPV4)
		nf_send_reset(state->net, state->sk, skb, state->hook);
	else
		nf_send_reset6(state->net, state->sk, skb, state->hook);
	rlvs_mark_restore(skb, before);
}

/*
 * Answers a packet with port unreachable, which has @mark when it is sent. @skb
 * stays the caller's.
 */
void rlvs_hook_port_unreachable(struct sk_buff *skb,
				const struct nf_hook_state *state,
				struct rlvs_mark *mark)
{
	unsigned long before = rlvs_mark_put_on(skb, mark);

	rlvs_route_in_vrf(skb, state);
	if (state->pf == NFPROTO_IPV4)
		nf_send_unreach(skb, ICMP_PORT_UNREACH, state->hook);
	else
		nf_send_unreach6(state->net, skb, ICMPV6_PORT_UNREACH,
				 state->hook);
	rlvs_mark_restore(skb, before);
}

/* A new route after the address of a locally generated packet has changed. */
int rlvs_hook_reroute(struct sk_buff *skb, const struct nf_hook_state *state)
{
	if (state->pf == NFPROTO_IPV4)
		return ip_route_me_harder(state->net, state->sk, skb,
					  RTN_UNSPEC);
	return ip6_route_me_harder(state->net, state->sk, skb);
}

/*
 * Splits a large segment as a device would, with all checksums computed, and
 * sends the parts on. @skb stays the caller's.
 */
int rlvs_hook_send_segments(struct sk_buff *skb,
			    const struct nf_hook_state *state)
{
	struct sk_buff *segments, *segment, *next;

	segments = skb_gso_segment(skb, NETIF_F_SG);
	if (IS_ERR_OR_NULL(segments))
		return segments ? PTR_ERR(segments) : -EINVAL;
	skb_list_walk_safe(segments, segment, next) {
		skb_mark_not_on_list(segment);
		/* As after a queue, one that is lost is sent again. */
		state->okfn(state->net, state->sk, segment);
	}
	return 0;
}

/* Frees a packet that has served its purpose. */
void rlvs_hook_consume(struct sk_buff *skb)
{
	consume_skb(skb);
}
