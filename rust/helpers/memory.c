// SPDX-License-Identifier: GPL-2.0
/* How much memory the host has left, and which process is charged for it. */
#include <linux/mm.h>

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

/* Returns true if a process is charged for what a packet leaves behind. */
bool rlvs_packet_is_charged(void)
{
	return rlvs_packet_gfp() & __GFP_ACCOUNT;
}
