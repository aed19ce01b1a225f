// SPDX-License-Identifier: GPL-2.0
/* Where packets are routed: to this host or elsewhere. */
#include <linux/ipv6.h>
#include <linux/netfilter.h>
#include <net/addrconf.h>
#include <net/fib_rules.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/ip_fib.h>
#include <net/l3mdev.h>
#include <net/route.h>

#include "address.h"
#include "rlvs_helpers.h"

/*
 * What comes in is routed by its device; what this host sends, as what comes
 * back by the loopback device, or inside of a VRF.
 */
struct rlvs_routing rlvs_hook_routing(const struct sk_buff *skb,
				      const struct nf_hook_state *state)
{
	struct rlvs_routing by = { .mark = skb->mark };

	if (state->pf == NFPROTO_IPV4)
		by.info = ip_hdr(skb)->tos;
	else
		by.info = (__force u32)ip6_flowinfo(ipv6_hdr(skb));
	if (state->in)
		by.iif = state->in->ifindex;
	else if (state->out)
		by.iif = l3mdev_master_ifindex_rcu(state->out);
	return by;
}

static bool rlvs_is_local_dst6(const struct dst_entry *dst)
{
	return !dst->error && (dst_rt6_info(dst)->rt6i_flags & RTF_LOCAL);
}

/*
 * What the packet's own route says. One to a VRF is a route to its device, and
 * is not yet the packet's.
 */
enum rlvs_route rlvs_hook_route(const struct sk_buff *skb,
				const struct nf_hook_state *state)
{
	bool local;

	if (state->hook == NF_INET_PRE_ROUTING || !skb_dst(skb) ||
	    (state->out && netif_is_l3_master(state->out)))
		return RLVS_ROUTE_NONE;
	if (state->pf == NFPROTO_IPV4)
		local = skb_rtable(skb)->rt_type == RTN_LOCAL;
	else
		local = rlvs_is_local_dst6(skb_dst(skb));
	return local ? RLVS_ROUTE_HERE : RLVS_ROUTE_ELSEWHERE;
}

static bool rlvs_routes_here4(struct net *net, const struct rlvs_routing *by,
			      const struct rlvs_ends *ends, u8 protocol,
			      u32 mark)
{
	struct flowi4 fl4 = {
		.flowi4_iif = by->iif ?: LOOPBACK_IFINDEX,
		.flowi4_mark = mark,
		.flowi4_dscp = inet_dsfield_to_dscp(by->info),
		.flowi4_scope = RT_SCOPE_UNIVERSE,
		.flowi4_proto = protocol,
		.flowi4_uid = sock_net_uid(net, NULL),
		.daddr = rlvs_addr4(ends->local),
		.saddr = rlvs_addr4(ends->remote),
		.fl4_dport = htons(ends->local_port),
		.fl4_sport = htons(ends->remote_port),
	};
	struct fib_result res = {};
	bool local;

	rcu_read_lock();
	local = !fib_lookup(net, &fl4, &res, 0) && res.type == RTN_LOCAL;
	rcu_read_unlock();
	return local;
}

static bool rlvs_routes_here6(struct net *net, const struct rlvs_routing *by,
			      const struct rlvs_ends *ends, u8 protocol,
			      u32 mark)
{
	struct flowi6 fl6 = {
		.flowi6_iif = by->iif ?: LOOPBACK_IFINDEX,
		.flowi6_mark = mark,
		.flowi6_proto = protocol,
		.flowi6_uid = sock_net_uid(net, NULL),
		.flowlabel = (__force __be32)by->info,
		.daddr = rlvs_addr6(ends->local),
		.saddr = rlvs_addr6(ends->remote),
		.fl6_dport = htons(ends->local_port),
		.fl6_sport = htons(ends->remote_port),
	};
	int flags = RT6_LOOKUP_F_HAS_SADDR | RT6_LOOKUP_F_DST_NOREF;
	bool local;

	if (!ipv6_mod_enabled())
		return false;
	rcu_read_lock();
	local = rlvs_is_local_dst6(ip6_route_input_lookup(net,
							  net->loopback_dev,
							  &fl6, NULL, flags));
	rcu_read_unlock();
	return local;
}

static bool rlvs_routes_here_by(struct net *net, const struct rlvs_routing *by,
				const struct rlvs_ends *ends, u8 protocol,
				u32 mark)
{
	if (ends->ipv6)
		return rlvs_routes_here6(net, by, ends, protocol, mark);
	return rlvs_routes_here4(net, by, ends, protocol, mark);
}

/*
 * Returns true if a packet from the remote to the local end would be delivered
 * on this host: by the rules and tables that it is going to be routed by. A
 * routing table has no tentative IPv6 address.
 */
bool rlvs_routes_here(struct net *net, const struct rlvs_routing *by,
		      const struct rlvs_ends *ends, u8 protocol)
{
	return rlvs_routes_here_by(net, by, ends, protocol, by->mark);
}

static const struct fib_rules_ops *rlvs_custom_rules(const struct net *net,
						     bool ipv6)
{
#ifdef CONFIG_IPV6_MULTIPLE_TABLES
	if (ipv6)
		return net->ipv6.fib6_has_custom_rules ?
			       net->ipv6.fib6_rules_ops :
			       NULL;
#endif
#ifdef CONFIG_IP_MULTIPLE_TABLES
	if (!ipv6)
		return net->ipv4.fib_has_custom_rules ? net->ipv4.rules_ops :
							NULL;
#endif
	return NULL;
}

/* Rules with a mark that are asked for, of each of which all rules are gone through. */
#define RLVS_MARKED_RULES 64

/*
 * Returns true if a packet from the remote to the local end would be delivered
 * on this host with the mark of one of the rules, which the mangle table may give
 * it later. Looks the route up for each rule that has a mark, 64 at most.
 */
bool rlvs_routes_here_marked(struct net *net, const struct rlvs_routing *by,
			     const struct rlvs_ends *ends, u8 protocol)
{
	const struct fib_rules_ops *ops = rlvs_custom_rules(net, ends->ipv6);
	const struct fib_rule *rule;
	unsigned int left = RLVS_MARKED_RULES;
	bool local = false;
	u32 mark;

	if (!ops)
		return false;
	rcu_read_lock();
	list_for_each_entry_rcu(rule, &ops->rules_list, list) {
		if (!rule->mark_mask)
			continue;
		mark = (by->mark & ~rule->mark_mask) | rule->mark;
		local = rlvs_routes_here_by(net, by, ends, protocol, mark);
		if (local || !--left)
			break;
	}
	rcu_read_unlock();
	return local;
}

/* Returns true if a device has the address, be it tentative. */
bool rlvs_has_address6(struct net *net, const u8 *address)
{
	struct in6_addr addr = rlvs_addr6(address);
	struct net_device *dev;
	bool found = false;

	if (!ipv6_mod_enabled())
		return false;
	rcu_read_lock();
	for_each_netdev_rcu(net, dev) {
		found = ipv6_chk_addr_and_flags(net, &addr, dev, false, 1, 0);
		if (found)
			break;
	}
	rcu_read_unlock();
	return found;
}
