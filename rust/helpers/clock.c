// SPDX-License-Identifier: GPL-2.0
/* The kernel's ticks. */
#include <linux/jiffies.h>

#include "rlvs_helpers.h"

/* How often the timer interrupt comes in that time, or the most there can be. */
u32 rlvs_ticks(u32 seconds)
{
	return min_t(u64, (u64)seconds * HZ, U32_MAX);
}
