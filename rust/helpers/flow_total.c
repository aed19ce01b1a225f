// SPDX-License-Identifier: GPL-2.0
/* How many entries there are, of all tables together. */
#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/math.h>
#include <linux/percpu.h>

#include "rlvs_helpers.h"

/* So many a processor keeps in its own part before it adds them to the sum. */
#define RLVS_FLOW_BATCH 64

static DEFINE_PER_CPU(int, rlvs_flow_part);
static atomic_t rlvs_flow_sum ____cacheline_aligned_in_smp = ATOMIC_INIT(0);

/*
 * Adds 1 or -1, in any context but a hard interrupt's. What is added to the sum
 * is taken from the part of the processor that runs this at that moment, which
 * may be another one: the parts and the sum together are right in any case.
 */
void rlvs_flow_total_add(int by)
{
	int part = this_cpu_add_return(rlvs_flow_part, by);

	if (abs(part) < RLVS_FLOW_BATCH)
		return;
	atomic_add(part, &rlvs_flow_sum);
	this_cpu_sub(rlvs_flow_part, part);
}

/* Too low or too high by RLVS_FLOW_BATCH for each processor at most. */
u32 rlvs_flow_total(void)
{
	return max(atomic_read(&rlvs_flow_sum), 0);
}
