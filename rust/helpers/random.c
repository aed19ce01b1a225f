// SPDX-License-Identifier: GPL-2.0
/* The kernel's random numbers. */
#include <linux/random.h>

#include "rlvs_helpers.h"

u32 rlvs_random_u32(void)
{
	return get_random_u32();
}
