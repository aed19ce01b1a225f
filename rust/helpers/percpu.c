// SPDX-License-Identifier: GPL-2.0
/* Arrays of 64-bit words, one array for each possible CPU. */
#include <linux/cpumask.h>
#include <linux/percpu.h>

#include "rlvs_helpers.h"

/* Zeroed; NULL when memory is short. The caller is charged. May sleep. */
u64 __percpu *rlvs_percpu_alloc(u32 words)
{
	return __alloc_percpu_gfp(array_size(words, sizeof(u64)), sizeof(u64),
				  GFP_KERNEL_ACCOUNT);
}

void rlvs_percpu_free(u64 __percpu *base)
{
	free_percpu(base);
}

#ifdef CONFIG_PREEMPT_RT
/* Adds to a word of this CPU, whichever it is. Any context. */
void rlvs_percpu_add(u64 __percpu *base, u32 word, u64 value)
{
	this_cpu_add(base[word], value);
}
#endif

u64 rlvs_percpu_sum(u64 __percpu *base, u32 word)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(base, cpu)[word]);
	return sum;
}

/* 0 for a CPU that there cannot be. */
u64 rlvs_percpu_of(u64 __percpu *base, u32 word, u32 cpu)
{
	if (!rlvs_percpu_is_possible(cpu))
		return 0;
	return READ_ONCE(per_cpu_ptr(base, cpu)[word]);
}

u32 rlvs_percpu_cpus(void)
{
	return nr_cpu_ids;
}

bool rlvs_percpu_is_possible(u32 cpu)
{
	return cpu < nr_cpu_ids && cpu_possible(cpu);
}
