// SPDX-License-Identifier: GPL-2.0
/* Scheduling: cond_resched() is a macro. */
#include <linux/sched.h>

#include "rlvs_helpers.h"

void rlvs_cond_resched(void)
{
	cond_resched();
}
