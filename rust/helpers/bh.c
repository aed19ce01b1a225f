// SPDX-License-Identifier: GPL-2.0
/* Bottom halves: local_bh_disable() and its pair are inline functions. */
#include <linux/bottom_half.h>
#include <linux/preempt.h>

#include "rlvs_helpers.h"

#ifdef RLVS_TEST_BUG_PLAIN_LOCK
/*
 * Only ever built by selftests/vm/lockdep_bug.sh: bottom halves stay on, and
 * so every lock is taken as by spin_lock(), which keeps the CPU and no more.
 */
#undef local_bh_disable
#undef local_bh_enable
#define local_bh_disable() preempt_disable()
#define local_bh_enable() preempt_enable()
#endif

void rlvs_local_bh_disable(void)
{
	local_bh_disable();
}

void rlvs_local_bh_enable(void)
{
	local_bh_enable();
}
