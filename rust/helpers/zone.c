// SPDX-License-Identifier: GPL-2.0
/*
 * The device that distinguishes a connection from others between the same
 * addresses and ports: the link, where an end has a link-local address, or the
 * VRF. Its index is the connection's zone; 0 is the zone of all others.
 */
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <net/ip6_fib.h>
#include <net/l3mdev.h>
#include <net/sock.h>

#include "rlvs_helpers.h"

/* The VRF that a packet comes in by, or goes out by; 0 outside of VRFs. */
int rlvs_hook_vrf(const struct nf_hook_state *state)
{
	const struct net_device *dev = state->in ?: state->out;

	return dev ? l3mdev_master_ifindex_rcu(dev) : 0;
}

/*
 * The link of an IPv6 packet whose client has a link-local address. One of the
 * host's own addresses is of the link that its route names: the packet takes the
 * loopback device, or that of the VRF. 0 for an IPv4 packet.
 */
int rlvs_hook_link(const struct sk_buff *skb, const struct nf_hook_state *state)
{
	const struct net_device *dev = state->in ?: state->out;
	const struct inet6_dev *idev;

	if (state->pf != NFPROTO_IPV6)
		return 0;
	if (state->hook == NF_INET_LOCAL_IN)
		return IP6CB(skb)->iif;
	if (!dev)
		return 0;
	if (!(dev->flags & IFF_LOOPBACK) && !netif_is_l3_master(dev))
		return dev->ifindex;
	if (state->hook != NF_INET_LOCAL_OUT)
		return IP6CB(skb)->iif;
	idev = skb_dst(skb) ? ip6_dst_idev(skb_dst(skb)) : NULL;
	return idev ? idev->dev->ifindex : 0;
}

/* What packets of one zone are looked for by. */
struct rlvs_zone_search {
	struct net *net;
	const struct rlvs_ends *ends;
	int vrf;
	struct sock *found;
};

static int rlvs_find_by_port(struct net_device *port,
			     struct netdev_nested_priv *priv)
{
	struct rlvs_zone_search *search = priv->data;
	struct rlvs_device device = {
		.index = search->vrf,
		.vrf_port = port->ifindex,
	};

	search->found = rlvs_find_at(search->net, search->ends, device);
	return !!search->found;
}

/*
 * The TCP socket of a connection in a zone other than 0. In a VRF it is bound to
 * the VRF, or to one of its ports: any other is passed over, as the kernel's
 * look-up for a packet of a VRF does it.
 */
static struct sock *rlvs_find_bound_in(struct net *net,
				       const struct rlvs_ends *ends, int zone)
{
	struct rlvs_zone_search search = { .net = net, .ends = ends };
	struct netdev_nested_priv priv = { .data = &search };
	struct net_device *dev;

	if (ends->ipv6 && !ipv6_mod_enabled())
		return NULL;
	rcu_read_lock();
	dev = dev_get_by_index_rcu(net, zone);
	if (dev)
		search.vrf = l3mdev_master_ifindex_rcu(dev);
	if (dev && !search.vrf)
		search.found = rlvs_find_at(net, ends, (struct rlvs_device){
			.index = zone });
	else if (dev && !rlvs_find_by_port(dev, &priv) &&
		 netif_is_l3_master(dev))
		netdev_walk_all_lower_dev_rcu(dev, rlvs_find_by_port, &priv);
	rcu_read_unlock();
	return search.found;
}

/*
 * The socket of a connection in a zone, also if source NAT has changed
 * @ends->remote. Returns a reference.
 */
struct sock *rlvs_find_in_zone(struct net *net, const struct rlvs_ends *ends,
			       int zone)
{
	return rlvs_find_translated(net, ends, zone, rlvs_find_bound_in);
}

/* Returns what the socket of a connection in a zone other than 0 is. */
enum rlvs_tcp_socket rlvs_tcp_socket_in(struct net *net,
					const struct rlvs_ends *ends, int zone)
{
	return rlvs_tcp_kind(rlvs_find_in_zone(net, ends, zone));
}

/* Returns true if there is a VRF in the namespace. Looks at each device. */
bool rlvs_has_vrf(struct net *net)
{
	const struct net_device *dev;
	bool found = false;

	rcu_read_lock();
	for_each_netdev_rcu(net, dev) {
		found = netif_is_l3_master(dev);
		if (found)
			break;
	}
	rcu_read_unlock();
	return found;
}

/* Returns true if a socket is in a VRF. */
bool rlvs_is_in_vrf(struct net *net, const struct sock *sk)
{
	int ifindex = READ_ONCE(sk->sk_bound_dev_if);

	return ifindex && l3mdev_master_ifindex_by_index(net, ifindex);
}
