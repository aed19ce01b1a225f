// SPDX-License-Identifier: GPL-2.0
/* Local addresses and TCP sockets of one network namespace. */
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <net/addrconf.h>
#include <net/inet6_hashtables.h>
#include <net/inet_hashtables.h>
#include <net/ip6_route.h>
#include <net/route.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "rlvs_helpers.h"

static __be32 rlvs_addr4(const u8 *octets)
{
	__be32 address;

	memcpy(&address, octets, sizeof(address));
	return address;
}

static struct in6_addr rlvs_addr6(const u8 *octets)
{
	struct in6_addr address;

	memcpy(&address, octets, sizeof(address));
	return address;
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

	dst = ip6_route_output(net, NULL, &fl6);
	local = !dst->error && (dst_rt6_info(dst)->rt6i_flags & RTF_LOCAL);
	dst_release(dst);
	return local;
}

bool rlvs_route_localnet(struct net *net)
{
	return IPV4_DEVCONF_ALL_RO(net, ROUTE_LOCALNET);
}

static struct sock *rlvs_find4(struct net *net, const u8 *local,
			       u16 local_port, const u8 *remote,
			       u16 remote_port, int ifindex)
{
	return __inet_lookup_established(net, rlvs_addr4(remote),
					 htons(remote_port), rlvs_addr4(local),
					 local_port, ifindex, 0);
}

static struct sock *rlvs_find6(struct net *net, const u8 *local,
			       u16 local_port, const u8 *remote,
			       u16 remote_port, int ifindex)
{
	struct in6_addr laddr = rlvs_addr6(local);
	struct in6_addr raddr = rlvs_addr6(remote);

	return __inet6_lookup_established(net, &raddr, htons(remote_port),
					  &laddr, local_port, ifindex, 0);
}

typedef struct sock *rlvs_find_fn(struct net *net, const u8 *local,
				  u16 local_port, const u8 *remote,
				  u16 remote_port, int ifindex);

/*
 * A socket bound to a device is found only by that device's index; with index
 * 0, each device is asked for when no unbound one is there. Returns a
 * reference, of a full, a request or a TIME_WAIT socket.
 */
static struct sock *rlvs_find(rlvs_find_fn *find, struct net *net,
			      const u8 *local, u16 local_port,
			      const u8 *remote, u16 remote_port, int ifindex)
{
	struct net_device *dev;
	struct sock *sk;

	rcu_read_lock();
	sk = find(net, local, local_port, remote, remote_port, ifindex);
	if (!sk && !ifindex) {
		for_each_netdev_rcu(net, dev) {
			sk = find(net, local, local_port, remote, remote_port,
				  dev->ifindex);
			if (sk)
				break;
		}
	}
	rcu_read_unlock();
	return sk;
}

static enum rlvs_tcp_socket rlvs_classify(struct sock *sk)
{
	enum rlvs_tcp_socket kind = RLVS_TCP_SOCKET_LIVE;

	if (!sk)
		return RLVS_TCP_SOCKET_NONE;
	if (sk->sk_state == TCP_TIME_WAIT)
		kind = RLVS_TCP_SOCKET_TIME_WAIT;
	sock_gen_put(sk);
	return kind;
}

enum rlvs_tcp_socket rlvs_tcp_socket4(struct net *net,
				      const u8 *local, u16 local_port,
				      const u8 *remote, u16 remote_port,
				      int ifindex)
{
	return rlvs_classify(rlvs_find(rlvs_find4, net, local, local_port,
				       remote, remote_port, ifindex));
}

enum rlvs_tcp_socket rlvs_tcp_socket6(struct net *net,
				      const u8 *local, u16 local_port,
				      const u8 *remote, u16 remote_port,
				      int ifindex)
{
	return rlvs_classify(rlvs_find(rlvs_find6, net, local, local_port,
				       remote, remote_port, ifindex));
}

/* Ends the socket and tells its peer by a reset. May sleep. */
static void rlvs_abort(struct sock *sk)
{
	if (!sk)
		return;
	tcp_abort(sk, ECONNABORTED);
	sock_gen_put(sk);
}

void rlvs_tcp_abort4(struct net *net, const u8 *local, u16 local_port,
		     const u8 *remote, u16 remote_port)
{
	rlvs_abort(rlvs_find(rlvs_find4, net, local, local_port,
			     remote, remote_port, 0));
}

void rlvs_tcp_abort6(struct net *net, const u8 *local, u16 local_port,
		     const u8 *remote, u16 remote_port)
{
	rlvs_abort(rlvs_find(rlvs_find6, net, local, local_port,
			     remote, remote_port, 0));
}
