// SPDX-License-Identifier: GPL-2.0
/* RCU: on one processor synchronize_rcu_expedited() is an inline function. */
#include <linux/rcupdate.h>

#include "rlvs_helpers.h"
#include "series.h"

static_assert(sizeof(struct rlvs_grace) >= sizeof(struct rcu_gp_oldstate));
static_assert(__alignof__(struct rlvs_grace) >=
	      __alignof__(struct rcu_gp_oldstate));

/* Where the grace periods are. Any context. */
void rlvs_rcu_now(struct rlvs_grace *now)
{
	get_state_synchronize_rcu_full((struct rcu_gp_oldstate *)now);
}

/* Sleeps for a grace period, unless one has passed since @then. */
void rlvs_rcu_wait_since(struct rlvs_grace *then)
{
	cond_synchronize_rcu_full((struct rcu_gp_oldstate *)then);
}

/* Sleeps. */
void rlvs_synchronize_rcu_expedited(void)
{
	synchronize_rcu_expedited();
}
