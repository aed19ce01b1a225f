// SPDX-License-Identifier: GPL-2.0
/* Socket buffers, seen from the network header on. */
#include <linux/skbuff.h>
#include <net/checksum.h>
#include <net/sock.h>

#include "rlvs_helpers.h"

/* What RLVS_SKB_NETWORK_HEADER promises. */
static_assert(sizeof_field(struct sk_buff, network_header) == sizeof(u16));

static u32 rlvs_skb_length(const struct sk_buff *skb)
{
	return skb->len - skb_network_offset(skb);
}

bool rlvs_skb_copy(const struct sk_buff *skb, u32 offset, u8 *to, u32 len)
{
	u32 length = rlvs_skb_length(skb);

	if (offset > length || len > length - offset)
		return false;
	return !skb_copy_bits(skb, skb_network_offset(skb) + offset, to, len);
}

/*
 * What the sums of the transport header at @offset stand for. In a tunnel packet
 * the partial sum may be an inner header's; the outer one is complete then.
 */
static enum rlvs_ip_summed rlvs_skb_summed(const struct sk_buff *skb, u32 offset)
{
	switch (skb->ip_summed) {
	case CHECKSUM_PARTIAL:
		if (skb_checksum_start_offset(skb) !=
		    skb_network_offset(skb) + (int)offset)
			return RLVS_IP_SUMMED_OTHER;
		return RLVS_IP_SUMMED_PARTIAL;
	case CHECKSUM_COMPLETE:
		return RLVS_IP_SUMMED_COMPLETE;
	default:
		return RLVS_IP_SUMMED_OTHER;
	}
}

/*
 * Makes the first @len bytes linear and private to this buffer; not if the
 * packet is shorter or memory is short. Pointers into the buffer taken before
 * are stale after this.
 */
struct rlvs_writable rlvs_skb_writable(struct sk_buff *skb, u32 len,
				       u32 offset)
{
	u32 end = skb_network_offset(skb) + len;

	if (len > rlvs_skb_length(skb))
		return (struct rlvs_writable){};
	/* What nearly always is so, without the call. */
	if ((end > skb_headlen(skb) || skb_cloned(skb)) &&
	    skb_ensure_writable(skb, end))
		return (struct rlvs_writable){};
	return (struct rlvs_writable){
		.data = skb_network_header(skb),
		.summed = rlvs_skb_summed(skb, offset),
	};
}

/* @delta: one's complement sum of big-endian 16-bit words, as a number. */
void rlvs_skb_adjust_complete(struct sk_buff *skb, u16 delta)
{
	skb->csum = csum_add(skb->csum, (__force __wsum)htons(delta));
}

bool rlvs_skb_is_gso(const struct sk_buff *skb)
{
	return skb_is_gso(skb);
}

/* Sums a packet now that has left it to the device; not for a large segment. */
int rlvs_skb_complete_checksum(struct sk_buff *skb)
{
	if (skb->ip_summed != CHECKSUM_PARTIAL)
		return 0;
	return skb_csum_hwoffload_help(skb, 0);
}

/*
 * Returns true if a packet that comes in was given a socket before any was looked
 * for, by TPROXY or a BPF program. What came over a bridge may have its
 * sender's.
 */
bool rlvs_skb_has_receiver(struct sk_buff *skb)
{
	return skb->sk && (skb->destructor == sock_edemux ||
			   skb_sk_is_prefetched(skb));
}
