// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets of one network namespace, whatever device they are bound to. The
 * device plays no part in the hashes of the kernel's tables, but its look-ups
 * compare it: what is asked here for any device walks the same chain, once.
 */
#include <linux/ipv6.h>
#include <linux/rculist_nulls.h>
#include <linux/udp.h>
#include <net/inet6_hashtables.h>
#include <net/inet_hashtables.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include <net/tcp_states.h>
#include <net/udp.h>

#include "address.h"
#include "rlvs_helpers.h"

static u32 rlvs_ehash(const struct net *net, const struct rlvs_ends *ends)
{
	struct in6_addr local, remote;

	if (!ends->ipv6)
		return inet_ehashfn(net, rlvs_addr4(ends->local),
				    ends->local_port, rlvs_addr4(ends->remote),
				    htons(ends->remote_port));
	local = rlvs_addr6(ends->local);
	remote = rlvs_addr6(ends->remote);
	return inet6_ehashfn(net, &local, ends->local_port, &remote,
			     htons(ends->remote_port));
}

/* As inet_match() and inet6_match(), but for the device. */
static bool rlvs_is_between(const struct net *net, const struct sock *sk,
			    const struct rlvs_ends *ends)
{
	struct in6_addr local, remote;

	if (!net_eq(sock_net(sk), net) ||
	    READ_ONCE(sk->sk_portpair) !=
		    INET_COMBINED_PORTS(htons(ends->remote_port),
					ends->local_port))
		return false;
	/* An IPv6 socket may have an IPv4 connection. */
	if (!ends->ipv6)
		return sk->sk_daddr == rlvs_addr4(ends->remote) &&
		       sk->sk_rcv_saddr == rlvs_addr4(ends->local);
	local = rlvs_addr6(ends->local);
	remote = rlvs_addr6(ends->remote);
	return sk->sk_family == AF_INET6 &&
	       ipv6_addr_equal(&sk->sk_v6_daddr, &remote) &&
	       ipv6_addr_equal(&sk->sk_v6_rcv_saddr, &local);
}

/*
 * The socket of a connection. Of several with these ends on different devices,
 * one that is open before one whose handshake is under way, and that before one
 * in TIME_WAIT. Returns a reference, of a full, a request or a TIME_WAIT socket.
 * Under rcu_read_lock().
 */
struct sock *rlvs_find_anywhere(struct net *net, const struct rlvs_ends *ends)
{
	struct inet_hashinfo *hashinfo = net->ipv4.tcp_death_row.hashinfo;
	u32 hash = rlvs_ehash(net, ends);
	u32 slot = hash & hashinfo->ehash_mask;
	const struct hlist_nulls_node *node;
	struct sock *sk, *found = NULL;

begin:
	sk_nulls_for_each_rcu(sk, node, &hashinfo->ehash[slot].chain) {
		if (sk->sk_hash != hash || !rlvs_is_between(net, sk, ends))
			continue;
		if (rlvs_tcp_kind_of(sk) <= rlvs_tcp_kind_of(found))
			continue;
		if (unlikely(!refcount_inc_not_zero(&sk->sk_refcnt)))
			continue;
		/* Until the reference it could become another connection's. */
		if (unlikely(!rlvs_is_between(net, sk, ends))) {
			sock_gen_put(sk);
			goto begin;
		}
		if (found)
			sock_gen_put(found);
		found = sk;
		if (rlvs_tcp_kind_of(found) == RLVS_TCP_SOCKET_LIVE)
			return found;
	}
	/* A socket was moved to another chain, and the walk with it. */
	if (get_nulls_value(node) != slot)
		goto begin;
	return found;
}

/* As compute_score() of TCP and UDP, but for the device. */
static bool rlvs_is_bound(const struct net *net, const struct sock *sk,
			  const struct rlvs_ends *ends)
{
	struct in6_addr local;

	if (!net_eq(sock_net(sk), net) ||
	    READ_ONCE(sk->sk_num) != ends->local_port)
		return false;
	if (!ends->ipv6)
		return !ipv6_only_sock(sk) &&
		       sk->sk_rcv_saddr == rlvs_addr4(ends->local);
	local = rlvs_addr6(ends->local);
	return sk->sk_family == AF_INET6 &&
	       ipv6_addr_equal(&sk->sk_v6_rcv_saddr, &local);
}

static u32 rlvs_bound_hash(const struct net *net, const struct rlvs_ends *ends)
{
	struct in6_addr local;

	if (!ends->ipv6)
		return ipv4_portaddr_hash(net, rlvs_addr4(ends->local),
					  ends->local_port);
	local = rlvs_addr6(ends->local);
	return ipv6_portaddr_hash(net, &local, ends->local_port);
}

static struct sock *rlvs_listens_at(struct net *net,
				    const struct rlvs_ends *ends)
{
	struct inet_hashinfo *hashinfo = net->ipv4.tcp_death_row.hashinfo;
	const struct hlist_nulls_node *node;
	struct sock *sk;

	sk_nulls_for_each_rcu(sk, node,
			      &inet_lhash2_bucket(hashinfo,
						  rlvs_bound_hash(net, ends))
				       ->nulls_head) {
		if (rlvs_is_bound(net, sk, ends))
			return sk;
	}
	return NULL;
}

/* One that is connected gets datagrams of its peer alone. */
static struct sock *rlvs_receives_at(struct net *net,
				     const struct rlvs_ends *ends)
{
	struct udp_hslot *slot = udp_hashslot2(net->ipv4.udp_table,
					       rlvs_bound_hash(net, ends));
	struct sock *sk;

	udp_portaddr_for_each_entry_rcu(sk, &slot->head) {
		if (READ_ONCE(sk->sk_state) != TCP_ESTABLISHED &&
		    rlvs_is_bound(net, sk, ends))
			return sk;
	}
	return NULL;
}

static struct sock *rlvs_waits_at(struct net *net, const struct rlvs_ends *ends,
				  bool udp)
{
	return udp ? rlvs_receives_at(net, ends) : rlvs_listens_at(net, ends);
}

/*
 * The socket that listens, or is bound if @udp, at the local end or at its port
 * of the wildcard address; of several any. A program that chooses sockets (BPF)
 * is not asked. Under rcu_read_lock(), which keeps the socket.
 */
struct sock *rlvs_find_waiting_anywhere(struct net *net,
					const struct rlvs_ends *ends, bool udp)
{
	static const u8 unspecified[sizeof(struct in6_addr)];
	struct rlvs_ends wildcard = *ends;
	struct sock *sk = rlvs_waits_at(net, ends, udp);

	wildcard.local = unspecified;
	return sk ?: rlvs_waits_at(net, &wildcard, udp);
}
