// SPDX-License-Identifier: GPL-2.0
/* Frames and addresses that are for more than one host. */
#include <linux/in.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>

#include "address.h"
#include "rlvs_helpers.h"

/*
 * Returns true if a packet has come in from elsewhere in a frame to all or to
 * many on the link. UDP takes it all the same, whatever its IP address is.
 */
bool rlvs_hook_in_group_frame(const struct sk_buff *skb,
			      const struct nf_hook_state *state)
{
	return state->in && !(state->in->flags & IFF_LOOPBACK) &&
	       (skb->pkt_type == PACKET_BROADCAST ||
		skb->pkt_type == PACKET_MULTICAST);
}

static bool rlvs_is_group4(const struct nf_hook_state *state, __be32 address)
{
	unsigned int type = inet_addr_type_dev_table(state->net, state->in,
						     address);

	return type == RTN_BROADCAST || type == RTN_MULTICAST;
}

/* Under rcu_read_lock(). */
static bool rlvs_is_anycast6(const struct sk_buff *skb,
			     const struct nf_hook_state *state,
			     const struct rlvs_ends *ends)
{
	struct flowi6 fl6 = {
		.flowi6_iif = state->in->ifindex,
		.flowi6_mark = skb->mark,
		.daddr = rlvs_addr6(ends->local),
		.saddr = rlvs_addr6(ends->remote),
	};
	int flags = RT6_LOOKUP_F_HAS_SADDR | RT6_LOOKUP_F_DST_NOREF;
	const struct dst_entry *dst;

	dst = ip6_route_input_lookup(state->net, state->net->loopback_dev, &fl6,
				     NULL, flags);
	return !dst->error && (dst_rt6_info(dst)->rt6i_flags & RTF_ANYCAST);
}

/*
 * Returns true if the local end of a packet that has come in from elsewhere has
 * a broadcast or multicast address, or an anycast address of the host: sockets
 * on the wildcard address get what is sent there. What the host has sent itself
 * comes back as PACKET_LOOPBACK. Under rcu_read_lock().
 */
bool rlvs_hook_to_group(const struct sk_buff *skb,
			const struct nf_hook_state *state,
			const struct rlvs_ends *ends)
{
	struct in6_addr address;

	if (!state->in || skb->pkt_type == PACKET_LOOPBACK)
		return false;
	if (!ends->ipv6)
		return rlvs_is_group4(state, rlvs_addr4(ends->local));
	address = rlvs_addr6(ends->local);
	return ipv6_addr_is_multicast(&address) ||
	       rlvs_is_anycast6(skb, state, ends);
}
