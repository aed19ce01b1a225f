// SPDX-License-Identifier: GPL-2.0
/* How much memory the host has left, and which process is charged for it. */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/preempt.h>

#include "rlvs_helpers.h"

/* Pages that are free or hold buffers, as ip_vs counts them. */
u64 rlvs_available_pages(void)
{
	struct sysinfo info;

	si_meminfo(&info);
	return (u64)info.freeram + info.bufferram;
}

/* Pages that the host has. */
u64 rlvs_all_pages(void)
{
	return totalram_pages();
}

/*
 * Returns true if a process is charged for what a packet leaves behind: the one
 * that is about to send it. None is for one that comes by the network, and the
 * flag would only cost memory, as each entry then has a place for a name.
 */
bool rlvs_packet_is_charged(void)
{
	return in_task();
}

/* The flags of what a packet leaves behind. Any context. */
gfp_t rlvs_packet_gfp(void)
{
	return GFP_ATOMIC | (rlvs_packet_is_charged() ? __GFP_ACCOUNT : 0);
}
