// SPDX-License-Identifier: GPL-2.0
/*
 * Connection tracking beside us: it follows a packet from where it was
 * rewritten, and knows what address translation has made of a connection.
 */
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/string.h>

#include "rlvs_helpers.h"

#if IS_ENABLED(CONFIG_NF_CONNTRACK)
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_seqadj.h>
#include <net/netfilter/nf_conntrack_synproxy.h>
#include <net/netfilter/nf_conntrack_zones.h>

/*
 * Returns true if connection tracking follows the packets of a family in this
 * namespace. Its last hook is the only one with a name that modules may use. Any
 * context.
 */
bool rlvs_ct_is_active(const struct net *net, bool ipv6)
{
	const struct nf_hook_entries *entries;
	bool found = false;
	u16 i;

	rcu_read_lock();
	if (ipv6)
		entries = rcu_dereference(net->nf.hooks_ipv6[NF_INET_LOCAL_IN]);
	else
		entries = rcu_dereference(net->nf.hooks_ipv4[NF_INET_LOCAL_IN]);
	for (i = 0; entries && !found && i < entries->num_hook_entries; i++)
		found = entries->hooks[i].hook == nf_confirm;
	rcu_read_unlock();
	return found;
}

/* The entry of a packet that has one; one that holds settings is none. */
static struct nf_conn *rlvs_ct_of(const struct sk_buff *skb,
				  enum ip_conntrack_info *info)
{
	struct nf_conn *ct = nf_ct_get(skb, info);

	return ct && !nf_ct_is_template(ct) ? ct : NULL;
}

/*
 * Has a packet tracked that is on its way from a client to a destination, as
 * connection tracking itself would a moment later, which then passes over it. Of
 * a new flow the destination is settled, so that no rule translates it. What is
 * not tracked here is left to connection tracking as it was.
 */
void rlvs_ct_track(struct sk_buff *skb, const struct nf_hook_state *state)
{
	enum ip_conntrack_info info, info_before;
	struct nf_conn *settings, *ct;

	settings = nf_ct_get(skb, &info_before);
	if (info_before == IP_CT_UNTRACKED ||
	    (settings && !nf_ct_is_template(settings)))
		return;
	if (settings)
		nf_conntrack_get(&settings->ct_general);
	nf_conntrack_in(skb, state);
	ct = rlvs_ct_of(skb, &info);
	if (ct) {
		if (!nf_ct_is_confirmed(ct))
			set_bit(IPS_DST_NAT_DONE_BIT, &ct->status);
		nf_ct_put(settings);
	} else if (settings) {
		nf_ct_set(skb, settings, info_before);
	}
}

/*
 * Returns true if a packet that comes in is one of a socket in a VRF to the host
 * itself. It is not tracked where it is sent: connection tracking begins here.
 */
bool rlvs_ct_begins_late(const struct sk_buff *skb,
			 const struct nf_hook_state *state)
{
	return state->in && netif_is_l3_master(state->in) &&
	       !skb_get_nfct(skb);
}

/* Returns true if SYNPROXY sends the packet, to open a client's connection. */
bool rlvs_ct_is_synproxy(const struct sk_buff *skb)
{
	enum ip_conntrack_info info;
	const struct nf_conn *ct = nf_ct_get(skb, &info);

	return ct && nf_ct_is_template(ct) && nfct_synproxy(ct);
}

/* The destination of what goes this way, as its sender has it. */
static void rlvs_ct_set_peer(struct rlvs_peer *peer,
			     const struct nf_conntrack_tuple *tuple)
{
	BUILD_BUG_ON(sizeof(tuple->dst.u3) != sizeof(peer->address));
	memcpy(peer->address, &tuple->dst.u3, sizeof(peer->address));
	peer->port = ntohs(tuple->dst.u.all);
}

/*
 * Where the process has sent an answer that is on its way out, if source NAT on
 * the way in has shown it another peer than the client.
 */
bool rlvs_ct_other_peer(const struct sk_buff *skb, struct rlvs_peer *peer)
{
	enum ip_conntrack_info info;
	const struct nf_conn *ct = rlvs_ct_of(skb, &info);
	enum ip_conntrack_dir dir = CTINFO2DIR(info);
	unsigned long translated;

	translated = dir == IP_CT_DIR_REPLY ? IPS_SRC_NAT : IPS_DST_NAT;
	if (!ct || !(READ_ONCE(ct->status) & translated))
		return false;
	rlvs_ct_set_peer(peer, nf_ct_tuple(ct, dir));
	return true;
}

/*
 * The entry for TCP packets from @ends->remote to @ends->local in the default
 * zone, as they come in; with a reference.
 */
static struct nf_conntrack_tuple_hash *
rlvs_ct_find(struct net *net, const struct rlvs_ends *ends)
{
	u32 len = ends->ipv6 ? sizeof(struct in6_addr) : sizeof(__be32);
	struct nf_conntrack_tuple tuple;

	if (!rlvs_ct_is_active(net, ends->ipv6))
		return NULL;
	memset(&tuple, 0, sizeof(tuple));
	tuple.src.l3num = ends->ipv6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
	memcpy(&tuple.src.u3, ends->remote, len);
	tuple.src.u.tcp.port = htons(ends->remote_port);
	memcpy(&tuple.dst.u3, ends->local, len);
	tuple.dst.u.tcp.port = htons(ends->local_port);
	tuple.dst.protonum = IPPROTO_TCP;
	return nf_conntrack_find_get(net, &nf_ct_zone_dflt, &tuple);
}

/*
 * The peer that the process has in a connection whose client is @ends->remote;
 * the same unless source NAT shows it another one. False if the connection is
 * not tracked. Any context but hard interrupt.
 */
bool rlvs_ct_peer(struct net *net, const struct rlvs_ends *ends,
		  struct rlvs_peer *peer)
{
	const struct nf_conntrack_tuple_hash *found = rlvs_ct_find(net, ends);
	struct nf_conn *ct;

	if (!found)
		return false;
	ct = nf_ct_tuplehash_to_ctrack(found);
	rlvs_ct_set_peer(peer, nf_ct_tuple(ct, !NF_CT_DIRECTION(found)));
	nf_ct_put(ct);
	return true;
}

/*
 * Turns the numbers of a segment that comes in, its own and the one that it
 * acknowledges, into those that the process sees: SYNPROXY and helpers shift them
 * on the way. False if they do not. Any context but hard interrupt.
 */
bool rlvs_ct_shift(struct net *net, const struct rlvs_ends *ends, u32 *sequence,
		   u32 *ack)
{
	const struct nf_conntrack_tuple_hash *found = rlvs_ct_find(net, ends);
	const struct nf_conn_seqadj *seqadj;
	enum ip_conntrack_dir dir;
	struct nf_conn *ct;
	u32 sent;

	if (!found)
		return false;
	ct = nf_ct_tuplehash_to_ctrack(found);
	dir = NF_CT_DIRECTION(found);
	seqadj = nfct_seqadj(ct);
	if (seqadj) {
		*sequence += nf_ct_seq_offset(ct, dir, *sequence);
		sent = *ack - seqadj->seq[!dir].offset_before;
		*ack -= nf_ct_seq_offset(ct, !dir, sent);
	}
	nf_ct_put(ct);
	return seqadj;
}
#else
bool rlvs_ct_is_active(const struct net *net, bool ipv6)
{
	return false;
}

void rlvs_ct_track(struct sk_buff *skb, const struct nf_hook_state *state)
{
}

bool rlvs_ct_begins_late(const struct sk_buff *skb,
			 const struct nf_hook_state *state)
{
	return false;
}

bool rlvs_ct_is_synproxy(const struct sk_buff *skb)
{
	return false;
}

bool rlvs_ct_other_peer(const struct sk_buff *skb, struct rlvs_peer *peer)
{
	return false;
}

bool rlvs_ct_peer(struct net *net, const struct rlvs_ends *ends,
		  struct rlvs_peer *peer)
{
	return false;
}

bool rlvs_ct_shift(struct net *net, const struct rlvs_ends *ends, u32 *sequence,
		   u32 *ack)
{
	return false;
}
#endif
