// SPDX-License-Identifier: GPL-2.0
/* A coarse clock, cheap enough to read for every packet. */
#include <linux/timekeeping.h>

#include "rlvs_helpers.h"

/* Seconds since boot; wraps after 136 years. */
u32 rlvs_seconds(void)
{
	return (u32)ktime_get_seconds();
}
