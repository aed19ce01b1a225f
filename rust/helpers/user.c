// SPDX-License-Identifier: GPL-2.0
/* Users, as __kuid_val() of all user namespaces. */
#include <linux/uidgid.h>
#include <net/net_namespace.h>

#include "rlvs_helpers.h"

/*
 * The user with this number in the user namespace that owns the network
 * namespace; that of INVALID_UID if there is none. Any context.
 */
u32 rlvs_user_of(const struct net *net, u32 number)
{
	return __kuid_val(make_kuid(net->user_ns, number));
}

/* The number of a user for the owner of the network namespace. Any context. */
u32 rlvs_user_number(const struct net *net, u32 user)
{
	return from_kuid_munged(net->user_ns, KUIDT_INIT(user));
}
