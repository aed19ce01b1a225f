// SPDX-License-Identifier: GPL-2.0
/* Which addresses are the host's in a network namespace. */
#include <linux/inetdevice.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <net/addrconf.h>
#include <net/ip6_route.h>
#include <net/route.h>

#include "address.h"
#include "rlvs_helpers.h"

/*
 * Returns true if the kernel has IPv6. Booted with ipv6.disable=1 it has the
 * code, but no namespace has the tables and settings that the code reads: ask
 * before calling it.
 */
bool rlvs_has_ipv6(void)
{
	return ipv6_mod_enabled();
}

bool rlvs_is_local4(struct net *net, const u8 *address)
{
	return inet_addr_type(net, rlvs_addr4(address)) == RTN_LOCAL;
}

/* By the routing table, so that prefixes routed to the host count as well. */
bool rlvs_is_local6(struct net *net, const u8 *address)
{
	struct flowi6 fl6 = { .daddr = rlvs_addr6(address) };
	struct dst_entry *dst;
	bool local;

	if (!ipv6_mod_enabled())
		return false;
	dst = ip6_route_output(net, NULL, &fl6);
	local = !dst->error && (dst_rt6_info(dst)->rt6i_flags & RTF_LOCAL);
	dst_release(dst);
	return local;
}

/* The addresses of a VRF are in a routing table of its own. */
bool rlvs_is_vrf_local4(struct net *net, const u8 *address)
{
	struct net_device *dev;
	bool local = false;

	rcu_read_lock();
	dev = __ip_dev_find(net, rlvs_addr4(address), false);
	if (dev)
		local = netif_is_l3_master(dev) || netif_is_l3_slave(dev);
	rcu_read_unlock();
	return local;
}

bool rlvs_is_vrf_local6(struct net *net, const u8 *address)
{
	struct in6_addr addr = rlvs_addr6(address);
	struct net_device *dev;
	bool local = false;

	if (!ipv6_mod_enabled())
		return false;
	rcu_read_lock();
	for_each_netdev_rcu(net, dev) {
		local = netif_is_l3_master(dev) &&
			ipv6_chk_addr_and_flags(net, &addr, dev, true, 0,
						IFA_F_TENTATIVE);
		if (local)
			break;
	}
	rcu_read_unlock();
	return local;
}

bool rlvs_route_localnet(struct net *net)
{
	return IPV4_DEVCONF_ALL_RO(net, ROUTE_LOCALNET);
}
