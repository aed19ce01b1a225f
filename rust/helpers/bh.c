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
void rlvs_local_bh_disable(void)
{
	if (rcu_preempt_depth())
		preempt_disable();
	else
		local_bh_disable();
}

void rlvs_local_bh_enable(void)
{
	if (rcu_preempt_depth())
		preempt_enable();
	else
		local_bh_enable();
}
#else
void rlvs_local_bh_disable(void)
{
	local_bh_disable();
}

void rlvs_local_bh_enable(void)
{
	local_bh_enable();
}
#endif
