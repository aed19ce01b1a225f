// SPDX-License-Identifier: GPL-2.0
/* RCU: on one processor synchronize_rcu_expedited() is an inline function. */
#include <linux/rcupdate.h>

#include "rlvs_helpers.h"

/* Sleeps. */
void rlvs_synchronize_rcu_expedited(void)
{
	synchronize_rcu_expedited();
}
