// SPDX-License-Identifier: GPL-2.0
/* Sockets of one network namespace: of connections, and those that wait for new ones. */
#include <linux/ipv6.h>
#include <net/inet6_hashtables.h>
#include <net/inet_hashtables.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <net/udp.h>

#include "address.h"
#include "rlvs_helpers.h"

/*
 * The socket of a connection. With index 0, one that is bound to a device is
 * not found. Returns a reference, of a full, a request or a TIME_WAIT socket.
 */
struct sock *rlvs_find_at(struct net *net, const struct rlvs_ends *ends,
			  struct rlvs_device device)
{
	struct in6_addr local, remote;

	if (!ends->ipv6)
		return __inet_lookup_established(net, rlvs_addr4(ends->remote),
						 htons(ends->remote_port),
						 rlvs_addr4(ends->local),
						 ends->local_port, device.index,
						 device.vrf_port);
	local = rlvs_addr6(ends->local);
	remote = rlvs_addr6(ends->remote);
	return __inet6_lookup_established(net, &remote,
					  htons(ends->remote_port), &local,
					  ends->local_port, device.index,
					  device.vrf_port);
}

/* With @ifindex 0, on whichever device. */
static struct sock *rlvs_find_on(struct net *net, const struct rlvs_ends *ends,
				 int ifindex)
{
	struct rlvs_device device = { .index = ifindex };
	struct sock *sk;

	if (ends->ipv6 && !ipv6_mod_enabled())
		return NULL;
	rcu_read_lock();
	sk = ifindex ? rlvs_find_at(net, ends, device) :
		       rlvs_find_anywhere(net, ends);
	rcu_read_unlock();
	return sk;
}

/*
 * The socket of a connection, which may have another peer than @ends->remote:
 * one that source NAT has made of it on the way in. With @ifindex 0, on whichever
 * device. Returns a reference, of a full, a request or a TIME_WAIT socket.
 */
static struct sock *rlvs_find(struct net *net, const struct rlvs_ends *ends,
			      int ifindex)
{
	return rlvs_find_translated(net, ends, ifindex, rlvs_find_on);
}

/* What the socket of a connection is; NULL is none. */
enum rlvs_tcp_socket rlvs_tcp_kind_of(const struct sock *sk)
{
	if (!sk)
		return RLVS_TCP_SOCKET_NONE;
	switch (READ_ONCE(sk->sk_state)) {
	case TCP_TIME_WAIT:
		return RLVS_TCP_SOCKET_TIME_WAIT;
	case TCP_NEW_SYN_RECV:
		return RLVS_TCP_SOCKET_OPENING;
	default:
		return RLVS_TCP_SOCKET_LIVE;
	}
}

/* Gives the socket back, if there is one. */
enum rlvs_tcp_socket rlvs_tcp_kind(struct sock *sk)
{
	enum rlvs_tcp_socket kind = rlvs_tcp_kind_of(sk);

	if (sk)
		sock_gen_put(sk);
	return kind;
}

enum rlvs_tcp_socket rlvs_tcp_socket(struct net *net,
				     const struct rlvs_ends *ends, int ifindex)
{
	return rlvs_tcp_kind(rlvs_find(net, ends, ifindex));
}

/* A socket in TIME_WAIT has forgotten what it and its peer had in flight. */
#define RLVS_TIME_WAIT_PAST 65535

static struct rlvs_tcp_window rlvs_time_wait_window(const struct sock *sk)
{
	const struct tcp_timewait_sock *tw = tcp_twsk(sk);
	u32 sent = READ_ONCE(tw->tw_snd_nxt);

	return (struct rlvs_tcp_window){
		.receive_next = READ_ONCE(tw->tw_rcv_nxt),
		.receive_window = READ_ONCE(tw->tw_rcv_wnd),
		.receive_past = RLVS_TIME_WAIT_PAST,
		.send_unacknowledged = sent,
		.send_next = sent,
		.send_past = RLVS_TIME_WAIT_PAST,
	};
}

/* The client may repeat its SYN, and has nothing to acknowledge but ours. */
static struct rlvs_tcp_window rlvs_request_window(const struct sock *sk)
{
	const struct tcp_request_sock *req = tcp_rsk(inet_reqsk(sk));

	return (struct rlvs_tcp_window){
		.receive_next = READ_ONCE(req->rcv_nxt),
		.receive_window = inet_reqsk(sk)->rsk_rcv_wnd,
		.receive_past = READ_ONCE(req->rcv_nxt) - req->rcv_isn,
		.send_unacknowledged = req->snt_isn + 1,
		.send_next = req->snt_isn + 1,
	};
}

/* Unlocked, as the owner may sleep with the lock: fields may be of two moments. */
static struct rlvs_tcp_window rlvs_full_window(const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	struct rlvs_tcp_window window = {
		.receive_next = READ_ONCE(tp->rcv_nxt),
		.receive_window = tcp_max_receive_window(tp),
		.receive_past = READ_ONCE(tp->window_clamp),
		.send_unacknowledged = READ_ONCE(tp->snd_una),
		/* snd_nxt moves when a segment has left: an answer may be faster. */
		.send_next = READ_ONCE(tp->write_seq),
		.send_past = READ_ONCE(tp->max_window),
	};

	/* Nothing is known of the peer's numbers yet. */
	if (sk->sk_state == TCP_SYN_SENT)
		window.receive_window = U32_MAX;
	return window;
}

/* Where a connection is; false if there is no socket. See rlvs_find(). */
bool rlvs_tcp_window(struct net *net, const struct rlvs_ends *ends, int ifindex,
		     struct rlvs_tcp_window *window)
{
	struct sock *sk = rlvs_find(net, ends, ifindex);

	if (!sk)
		return false;
	if (sk->sk_state == TCP_TIME_WAIT)
		*window = rlvs_time_wait_window(sk);
	else if (sk->sk_state == TCP_NEW_SYN_RECV)
		*window = rlvs_request_window(sk);
	else
		*window = rlvs_full_window(sk);
	sock_gen_put(sk);
	return true;
}

/*
 * Ends the socket of a connection in a zone (zone.c) and sends its peer a
 * reset. May sleep.
 */
void rlvs_tcp_abort(struct net *net, const struct rlvs_ends *ends, int zone)
{
	struct sock *sk = zone ? rlvs_find_in_zone(net, ends, zone) :
				 rlvs_find(net, ends, 0);

	if (!sk)
		return;
	if (zone || !rlvs_is_in_vrf(net, sk))
		tcp_abort(sk, ECONNABORTED);
	sock_gen_put(sk);
}

/* In this order a handshake that ends meanwhile is rather counted twice. */
void rlvs_queue_of_listener(const struct sock *sk, struct rlvs_listener *found)
{
	found->handshakes = inet_csk_reqsk_queue_len(sk);
	found->queued = READ_ONCE(sk->sk_ack_backlog);
	found->limit = READ_ONCE(sk->sk_max_ack_backlog);
	found->user = __kuid_val(sk_uid(sk));
}

/* The socket that gets a SYN; under rcu_read_lock(), which keeps it. */
struct sock *rlvs_find_listener(struct net *net, const struct rlvs_ends *ends,
				struct rlvs_device device)
{
	struct in6_addr local, remote;

	if (!ends->ipv6)
		return __inet_lookup_listener(net, NULL, 0,
					      rlvs_addr4(ends->remote),
					      htons(ends->remote_port),
					      rlvs_addr4(ends->local),
					      ends->local_port, device.index,
					      device.vrf_port);
	if (!ipv6_mod_enabled())
		return NULL;
	local = rlvs_addr6(ends->local);
	remote = rlvs_addr6(ends->remote);
	return inet6_lookup_listener(net, NULL, 0, &remote,
				     htons(ends->remote_port), &local,
				     ends->local_port, device.index,
				     device.vrf_port);
}

/* The socket that gets a datagram; under rcu_read_lock(), which keeps it. */
struct sock *rlvs_find_bound(struct net *net, const struct rlvs_ends *ends,
			     struct rlvs_device device)
{
	struct in6_addr local, remote;

	if (!ends->ipv6)
		return __udp4_lib_lookup(net, rlvs_addr4(ends->remote),
					 htons(ends->remote_port),
					 rlvs_addr4(ends->local),
					 htons(ends->local_port), device.index,
					 device.vrf_port, NULL);
	if (!ipv6_mod_enabled())
		return NULL;
	local = rlvs_addr6(ends->local);
	remote = rlvs_addr6(ends->remote);
	return __udp6_lib_lookup(net, &remote, htons(ends->remote_port), &local,
				 htons(ends->local_port), device.index,
				 device.vrf_port, NULL);
}

/* Returns true if the socket that gets the datagram is connected to its sender. */
bool rlvs_udp_connected(struct net *net, const struct rlvs_ends *ends,
			struct rlvs_device device)
{
	struct sock *sk;
	bool connected;

	rcu_read_lock();
	sk = rlvs_find_bound(net, ends, device);
	connected = sk && READ_ONCE(sk->sk_state) == TCP_ESTABLISHED;
	rcu_read_unlock();
	return connected;
}

static bool rlvs_is_on_wildcard(const struct sock *sk)
{
	if (sk->sk_family == AF_INET6)
		return ipv6_addr_any(&sk->sk_v6_rcv_saddr);
	return !sk->sk_rcv_saddr;
}

static struct sock *rlvs_find_waiting(struct net *net,
				      const struct rlvs_ends *ends,
				      struct rlvs_device device, bool udp)
{
	return udp ? rlvs_find_bound(net, ends, device) :
		     rlvs_find_listener(net, ends, device);
}

static bool rlvs_queue_of(const struct sock *sk, bool udp,
			  struct rlvs_listener *found)
{
	if (!sk)
		return false;
	if (!udp) {
		rlvs_queue_of_listener(sk, found);
		return true;
	}
	found->queued = sk_rmem_alloc_get(sk);
	found->handshakes = 0;
	found->limit = READ_ONCE(sk->sk_rcvbuf);
	found->user = __kuid_val(sk_uid(sk));
	return true;
}

/*
 * Returns true if a process waits for a SYN, or a datagram, between @ends that
 * comes in by @device, and how much waits there in @found. Of a group of sockets
 * on one port the one that would get it; a program that chooses by the packet's
 * bytes (BPF) is not asked.
 */
bool rlvs_queue(struct net *net, const struct rlvs_ends *ends,
		struct rlvs_device device, bool udp,
		struct rlvs_listener *found)
{
	bool exists;

	rcu_read_lock();
	exists = rlvs_queue_of(rlvs_find_waiting(net, ends, device, udp), udp,
			       found);
	rcu_read_unlock();
	return exists;
}

/*
 * Returns true if packets between either ends get to one socket that listens on
 * the wildcard address, or to one group of such.
 */
bool rlvs_share_socket(struct net *net, const struct rlvs_ends *one,
		       const struct rlvs_ends *other, struct rlvs_device device,
		       bool udp)
{
	struct sock *sk, *sk2;
	bool same = false;
	void *group;

	rcu_read_lock();
	sk = rlvs_find_waiting(net, one, device, udp);
	if (sk && rlvs_is_on_wildcard(sk)) {
		sk2 = rlvs_find_waiting(net, other, device, udp);
		group = rcu_access_pointer(sk->sk_reuseport_cb);
		same = sk == sk2 ||
		       (sk2 && group &&
			group == rcu_access_pointer(sk2->sk_reuseport_cb));
	}
	rcu_read_unlock();
	return same;
}

/* The socket that waits, on whichever device; under rcu_read_lock(). */
static struct sock *rlvs_find_any(struct net *net, const struct rlvs_ends *ends,
				  bool udp)
{
	struct sock *sk;

	/* One that is bound to no device, or that a program chooses (BPF). */
	sk = rlvs_find_waiting(net, ends, (struct rlvs_device){}, udp);
	if (sk || (ends->ipv6 && !ipv6_mod_enabled()))
		return sk;
	return rlvs_find_waiting_anywhere(net, ends, udp);
}

/*
 * Returns true if a process listens, on whichever device, and how much waits
 * there in @found. @ends has an unspecified remote end.
 */
bool rlvs_any_queue(struct net *net, const struct rlvs_ends *ends, bool udp,
		    struct rlvs_listener *found)
{
	bool exists;

	rcu_read_lock();
	exists = rlvs_queue_of(rlvs_find_any(net, ends, udp), udp, found);
	rcu_read_unlock();
	return exists;
}
