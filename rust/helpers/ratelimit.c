// SPDX-License-Identifier: GPL-2.0
/*
 * How many messages the module may write. The stack's own limit, net_ratelimit(),
 * is left to the stack: with many namespaces, which any user may make, its
 * messages would be held back by ours.
 */
#include <linux/ratelimit.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>

#include "rlvs_helpers.h"

/* For the namespaces of the host, as many as net_ratelimit() lets pass. */
static DEFINE_RATELIMIT_STATE(rlvs_log_host, 5 * HZ, 10);
/* For all that users have made, together. */
static DEFINE_RATELIMIT_STATE(rlvs_log_others, 60 * HZ, 5);

/* Returns true if a message about a namespace may be written. Any context. */
bool rlvs_log_passes(const struct net *net)
{
	return __ratelimit(net->user_ns == &init_user_ns ? &rlvs_log_host :
							    &rlvs_log_others);
}
