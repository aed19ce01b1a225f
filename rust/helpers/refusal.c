// SPDX-License-Identifier: GPL-2.0
/*
 * A mark for the answers to refused packets. What makes a reset or an ICMP error
 * hands the refused packet's entry of connection tracking on to it, so that a
 * template in the place of the entry gets to the answer, and to nothing else that
 * is sent meanwhile: a tunnel takes it from the packet that it wraps.
 */
#include <linux/err.h>
#include <linux/netfilter.h>

#include "rlvs_helpers.h"

#if IS_ENABLED(CONFIG_NF_CONNTRACK)
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_zones.h>

static_assert((unsigned long)RLVS_MARK_INFO == NFCT_INFOMASK);

/* With a reference; packets that have it count more. May sleep. */
struct rlvs_mark *rlvs_mark_alloc(struct net *net)
{
	struct nf_conn *template;

	template = nf_ct_tmpl_alloc(net, &nf_ct_zone_dflt, GFP_KERNEL_ACCOUNT);
	return template ? (struct rlvs_mark *)template : ERR_PTR(-ENOMEM);
}

void rlvs_mark_free(struct rlvs_mark *mark)
{
	nf_ct_put((struct nf_conn *)mark);
}

/*
 * Puts @mark on a packet, unless connection tracking has seen it. What was there
 * is the caller's until it restores it; until then @skb must not be freed.
 */
unsigned long rlvs_mark_put_on(struct sk_buff *skb, struct rlvs_mark *mark)
{
	unsigned long before = skb_get_nfct(skb);
	enum ip_conntrack_info info;
	const struct nf_conn *ct = nf_ct_get(skb, &info);

	if (!ct || nf_ct_is_template(ct))
		nf_ct_set(skb, (struct nf_conn *)mark, IP_CT_NEW);
	return before;
}

void rlvs_mark_restore(struct sk_buff *skb, unsigned long before)
{
	skb_set_nfct(skb, before);
}

/* Puts @mark on a packet without an entry, which counts a reference to it. */
void rlvs_mark_give(struct sk_buff *skb, struct rlvs_mark *mark)
{
	struct nf_conn *template = (struct nf_conn *)mark;

	nf_conntrack_get(&template->ct_general);
	nf_ct_set(skb, template, IP_CT_RELATED_REPLY);
}

/*
 * Takes the mark from a packet that this host sends, and has it go on untracked.
 * For the device of a VRF it passes LOCAL_OUT twice, and the VRF has it tracked
 * before the second time: it is known then by what no other packet has.
 */
void rlvs_mark_take_off(struct sk_buff *skb, const struct nf_hook_state *state,
			struct rlvs_mark *mark)
{
	bool last = rlvs_hook_concerns(skb, state).here;
	enum ip_conntrack_info info;

	if (nf_ct_get(skb, &info) == (struct nf_conn *)mark)
		nf_reset_ct(skb);
	if (!skb_get_nfct(skb))
		skb_set_nfct(skb, IP_CT_UNTRACKED);
	skb->skb_iif = last ? 0 : RLVS_MARK_AGAIN;
}
#else
struct rlvs_mark *rlvs_mark_alloc(struct net *net)
{
	return NULL;
}

void rlvs_mark_free(struct rlvs_mark *mark)
{
}

unsigned long rlvs_mark_put_on(struct sk_buff *skb, struct rlvs_mark *mark)
{
	return 0;
}

void rlvs_mark_restore(struct sk_buff *skb, unsigned long before)
{
}

void rlvs_mark_give(struct sk_buff *skb, struct rlvs_mark *mark)
{
}

void rlvs_mark_take_off(struct sk_buff *skb, const struct nf_hook_state *state,
			struct rlvs_mark *mark)
{
}
#endif
