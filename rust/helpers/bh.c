// SPDX-License-Identifier: GPL-2.0
/* Bottom halves: local_bh_disable() and its pair are inline functions. */
#include <linux/bottom_half.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>

#include "rlvs_helpers.h"

/* Returns what the caller, which stays on this CPU, has to know of it. */
static struct rlvs_bh rlvs_bh(bool enable)
{
	u8 __percpu *base = NULL;

	return (struct rlvs_bh){
		.percpu_offset = (unsigned long)this_cpu_ptr(base),
		.enable = enable,
	};
}

#ifdef RLVS_TEST_BUG_PLAIN_LOCK
/*
 * Only ever built by selftests/vm/lockdep_bug.sh: inside of a read-side section,
 * as all of a hook is one, bottom halves stay on, and every lock is taken as by
 * spin_lock(), which keeps the CPU and no more.
 */
struct rlvs_bh rlvs_local_bh_disable(void)
{
	if (rcu_preempt_depth())
		preempt_disable();
	else
		local_bh_disable();
	return rlvs_bh(true);
}

void rlvs_local_bh_enable(void)
{
	if (rcu_preempt_depth())
		preempt_enable();
	else
		local_bh_enable();
}
#else
/* If they are off already, they stay off for as long as the caller runs. */
struct rlvs_bh rlvs_local_bh_disable(void)
{
	if (softirq_count())
		return rlvs_bh(false);
	local_bh_disable();
	return rlvs_bh(true);
}

void rlvs_local_bh_enable(void)
{
	local_bh_enable();
}
#endif
