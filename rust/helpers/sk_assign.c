// SPDX-License-Identifier: GPL-2.0
/*
 * TCP packets that come in for this host and are handed to a listening socket
 * of another address or port. All of it at LOCAL_IN, where the data begins at
 * the network header.
 */
#include <linux/ipv6.h>
#include <linux/netfilter.h>
#include <net/inet6_hashtables.h>
#include <net/inet_hashtables.h>
#include <net/inet_timewait_sock.h>
#include <net/ip.h>
#include <net/request_sock.h>
#include <net/tcp.h>

#include "address.h"
#include "rlvs_helpers.h"

/* What TCP is about to look sockets up by. */
struct rlvs_device rlvs_steer_device(const struct sk_buff *skb,
				     const struct nf_hook_state *state)
{
	if (state->pf == NFPROTO_IPV4)
		return (struct rlvs_device){
			.index = inet_iif(skb),
			.vrf_port = inet_sdif(skb),
		};
	return (struct rlvs_device){
		.index = inet6_iif(skb),
		.vrf_port = inet6_sdif(skb),
	};
}

/* The socket that the packet has been given on its way here. */
enum rlvs_steer_socket rlvs_steer_socket(const struct sk_buff *skb)
{
	if (!skb->sk)
		return RLVS_STEER_SOCKET_NONE;
	if (skb->sk->sk_state == TCP_TIME_WAIT)
		return RLVS_STEER_SOCKET_TIME_WAIT;
	return RLVS_STEER_SOCKET_OTHER;
}

/*
 * What early demultiplexing does, which passes over packets of the loopback
 * device and may be switched off: the socket of the connection, if there is
 * one, goes with the packet.
 */
enum rlvs_steer_socket rlvs_steer_demux(struct sk_buff *skb, struct net *net,
					const struct rlvs_ends *ends,
					struct rlvs_device device)
{
	struct sock *sk = rlvs_find_at(net, ends, device);

	if (!sk)
		return RLVS_STEER_SOCKET_NONE;
	skb_orphan(skb);
	skb->sk = sk;
	skb->destructor = sock_edemux;
	return rlvs_steer_socket(skb);
}

/* Returns true if the checksum is right: TCP drops the packet otherwise. */
bool rlvs_steer_checksum(struct sk_buff *skb, const struct nf_hook_state *state,
			 u32 offset)
{
	return skb_csum_unnecessary(skb) ||
	       !nf_checksum(skb, state->hook, offset, IPPROTO_TCP, state->pf);
}

/* The TCP options of a SYN whose header is at @offset. */
static bool rlvs_syn_options(struct sk_buff *skb, struct net *net, u32 offset,
			     struct tcp_options_received *options)
{
	u16 transport = skb->transport_header;
	const struct tcphdr *th;

	if (!pskb_may_pull(skb, offset + sizeof(*th)))
		return false;
	th = (const struct tcphdr *)(skb->data + offset);
	if (th->doff < sizeof(*th) / 4 ||
	    !pskb_may_pull(skb, offset + th->doff * 4))
		return false;
	/* With extension headers, IPv6 has another idea of where it begins. */
	skb_set_transport_header(skb, offset);
	tcp_parse_options(net, skb, options, 0, NULL);
	skb->transport_header = transport;
	return true;
}

/*
 * Returns true if a SYN opens a new connection in place of the one in TIME_WAIT
 * that the packet has: by the rules of tcp_timewait_state_process(), which then
 * looks for a listener on the port that the packet was sent to.
 */
bool rlvs_steer_reopens(struct sk_buff *skb, struct net *net, u32 offset)
{
	const struct tcp_timewait_sock *tw = tcp_twsk(skb->sk);
	struct tcp_options_received options = {};
	const struct tcphdr *th;
	u32 recent;

	if (READ_ONCE(tw->tw_sk.tw_substate) != TCP_TIME_WAIT)
		return false;
	if (!rlvs_syn_options(skb, net, offset, &options))
		return false;
	options.ts_recent_stamp = READ_ONCE(tw->tw_ts_recent_stamp);
	if (!options.ts_recent_stamp)
		options.saw_tstamp = 0;
	recent = READ_ONCE(tw->tw_ts_recent);
	options.ts_recent = recent;
	if (options.saw_tstamp && tcp_paws_reject(&options, 0))
		return false;
	th = (const struct tcphdr *)(skb->data + offset);
	return after(ntohl(th->seq), READ_ONCE(tw->tw_rcv_nxt)) ||
	       (options.saw_tstamp && before(recent, options.rcv_tsval));
}

/*
 * Returns the member of @sk's SO_REUSEPORT group that TCP chooses for what the
 * packet says of itself, @ends; NULL if it chooses none. A BPF program of the
 * group is not asked before TCP asks it. Under rcu_read_lock().
 */
static struct sock *rlvs_steer_member(struct net *net, struct sock *sk,
				      const struct rlvs_ends *ends)
{
	struct in6_addr local, remote;
	struct sock *member;

	if (!ends->ipv6) {
		member = inet_lookup_reuseport(net, sk, NULL, 0,
					       rlvs_addr4(ends->remote),
					       htons(ends->remote_port),
					       rlvs_addr4(ends->local),
					       ends->local_port, inet_ehashfn);
	} else {
		local = rlvs_addr6(ends->local);
		remote = rlvs_addr6(ends->remote);
		member = inet6_lookup_reuseport(net, sk, NULL, 0, &remote,
						htons(ends->remote_port),
						&local, ends->local_port,
						inet6_ehashfn);
	}
	return IS_ERR(member) ? NULL : member;
}

/* Returns true if a packet may have the socket without a reference. */
static bool rlvs_steer_may_have(struct sock *sk)
{
	return !sk_is_refcounted(sk) && READ_ONCE(sk->sk_state) == TCP_LISTEN;
}

/* How often a listening socket is looked for. */
#define RLVS_STEER_LOOKS 16

/*
 * Returns the listening socket for a SYN between @ends->remote and @at, where a
 * process listens; NULL if there is none. Of a group of sockets on one port it
 * is the one that TCP chooses, unless that is just joining or closing:
 * inet_hash() makes a socket a member before the socket knows its group, and
 * before it is one that RCU keeps. Any other member does as well then, as TCP
 * chooses once more when it gets the packet; they are found by other ports of
 * the client. A bucket's lock lets in one socket at a time, so that each look
 * after the first comes to it with a chance of one half at most. Under
 * rcu_read_lock(), which keeps the socket.
 */
static struct sock *rlvs_steer_find(struct net *net,
				    const struct rlvs_ends *ends,
				    const struct rlvs_ends *at,
				    struct rlvs_device device)
{
	struct rlvs_ends from = *at;
	struct sock *sk, *member;
	int look;

	for (look = 0; look < RLVS_STEER_LOOKS; look++, from.remote_port++) {
		sk = rlvs_find_listener(net, &from, device);
		if (!sk)
			return NULL;
		member = sk->sk_reuseport ? rlvs_steer_member(net, sk, ends) :
					    NULL;
		if (member && rlvs_steer_may_have(member))
			return member;
		if (rlvs_steer_may_have(sk))
			return sk;
	}
	return NULL;
}

/* As tcp_conn_request() decides. */
static enum rlvs_syn rlvs_answer_to_syn(struct net *net, const struct sock *sk)
{
	u8 cookies = READ_ONCE(net->ipv4.sysctl_tcp_syncookies);

	if (sk_acceptq_is_full(sk))
		return RLVS_SYN_DROPPED;
	if (cookies != 2 && !inet_csk_reqsk_queue_is_full(sk))
		return RLVS_SYN_REMEMBERED;
	if (!IS_ENABLED(CONFIG_SYN_COOKIES) || !cookies)
		return RLVS_SYN_DROPPED;
	return RLVS_SYN_COOKIE;
}

/*
 * Returns the socket that listens there, and in @found what becomes of a SYN;
 * NULL if none listens. Under rcu_read_lock(), which keeps the socket.
 */
struct sock *rlvs_steer_listener(struct net *net, const struct rlvs_ends *ends,
				 const struct rlvs_ends *at,
				 struct rlvs_device device,
				 struct rlvs_steer_listener *found)
{
	struct sock *sk = rlvs_steer_find(net, ends, at, device);

	if (!sk)
		return NULL;
	rlvs_queue_of_listener(sk, &found->queue);
	found->syn = rlvs_answer_to_syn(net, sk);
	return sk;
}

/* Returns true if a listening socket takes a cookie back. */
bool rlvs_steer_sent_cookies(const struct sock *sk)
{
	return !tcp_synq_no_recent_overflow(sk);
}

/* Returns true if a segment returns a cookie of a SYN-ACK of this host. */
bool rlvs_steer_is_cookie(const struct sk_buff *skb,
			  const struct nf_hook_state *state, u32 offset)
{
#ifdef CONFIG_SYN_COOKIES
	struct tcphdr copy;
	const struct tcphdr *th;

	if (!READ_ONCE(state->net->ipv4.sysctl_tcp_syncookies))
		return false;
	th = skb_header_pointer(skb, offset, sizeof(copy), &copy);
	if (!th)
		return false;
	if (state->pf == NFPROTO_IPV4)
		return __cookie_v4_check(ip_hdr(skb), th);
#if IS_ENABLED(CONFIG_IPV6)
	return __cookie_v6_check(ipv6_hdr(skb), th);
#endif
#endif
	return false;
}

/*
 * Hands the packet to a listening socket; a connection in TIME_WAIT that the
 * packet has makes way. Its last number is lost by that: tcp_v4_rcv() keeps what
 * it makes of it (tcp_tw_isn) in a variable, and a packet that comes with a
 * listening socket gets a number by the clock. Within the read-side section that the packet is
 * delivered in: it has no reference.
 */
void rlvs_steer_give(struct sk_buff *skb, struct sock *sk)
{
	if (rlvs_steer_socket(skb) == RLVS_STEER_SOCKET_TIME_WAIT) {
		struct inet_timewait_sock *tw = inet_twsk(skb->sk);

		/* It takes over the packet's reference. */
		skb->sk = NULL;
		skb->destructor = NULL;
		inet_twsk_deschedule_put(tw);
	}
	skb_orphan(skb);
	skb->sk = sk;
	skb->destructor = sock_pfree;
}
