// SPDX-License-Identifier: GPL-2.0
/* How many entries there are, of all tables together: what a processor counts. */
#include <linux/math.h>
#include <linux/percpu.h>

#include "rlvs_helpers.h"

/* So many a processor keeps in its own part before it adds them to the sum. */
#define RLVS_FLOW_BATCH 64

static DEFINE_PER_CPU(int, rlvs_flow_part);

/*
 * Adds 1 or -1, and returns what the caller has to add to the sum. Must be called
 * with bottom halves off, so that nothing else of this processor counts
 * meanwhile. With PREEMPT_RT something may, and only there an operation is used
 * that cannot be interrupted: on some architectures it is several instructions
 * with interrupts off.
 */
int rlvs_flow_part_add(int by)
{
#ifdef CONFIG_PREEMPT_RT
	int part = this_cpu_add_return(rlvs_flow_part, by);
#else
	int part = __this_cpu_add_return(rlvs_flow_part, by);
#endif

	if (abs(part) < RLVS_FLOW_BATCH)
		return 0;
	this_cpu_sub(rlvs_flow_part, part);
	return part;
}
