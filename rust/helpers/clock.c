// SPDX-License-Identifier: GPL-2.0
/* A coarse clock, cheap enough to read for every packet. */
#include <linux/jiffies.h>
#include <linux/timekeeping.h>

#include "rlvs_helpers.h"

/* Seconds since boot; wraps after 136 years. */
u32 rlvs_seconds(void)
{
	return (u32)ktime_get_seconds();
}

/* How often the timer interrupt comes in that time, or the most there can be. */
u32 rlvs_ticks(u32 seconds)
{
	return min_t(u64, (u64)seconds * HZ, U32_MAX);
}
