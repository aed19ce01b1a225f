// SPDX-License-Identifier: GPL-2.0
/* How much memory the host has left. */
#include <linux/mm.h>

#include "rlvs_helpers.h"

/* Pages that are free or hold buffers, as ip_vs counts them. */
u64 rlvs_available_pages(void)
{
	struct sysinfo info;

	si_meminfo(&info);
	return (u64)info.freeram + info.bufferram;
}
