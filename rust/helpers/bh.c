// SPDX-License-Identifier: GPL-2.0
/* Bottom halves: local_bh_disable() and its pair are inline functions. */
#include <linux/bottom_half.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>

#include "rlvs_helpers.h"

#ifdef RLVS_TEST_BUG_PLAIN_LOCK
/*
 * Only ever built by selftests/vm/lockdep_bug.sh: in a hook, which runs inside a
 * read-side section, bottom halves stay on, and so every lock is taken as by
 * spin_lock(), which keeps the CPU and no more.
 */
bool rlvs_local_bh_disable(void)
{
	if (rcu_preempt_depth())
		preempt_disable();
	else
		local_bh_disable();
	return true;
}

void rlvs_local_bh_enable(void)
{
	if (rcu_preempt_depth())
		preempt_enable();
	else
		local_bh_enable();
}
#else
/* False if they are off already, and stay off for as long as the caller runs. */
bool rlvs_local_bh_disable(void)
{
	if (softirq_count())
		return false;
	local_bh_disable();
	return true;
}

void rlvs_local_bh_enable(void)
{
	local_bh_enable();
}
#endif
