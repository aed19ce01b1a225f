// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/rlvs.yaml */
/* YNL-GEN kernel source */
/* To regenerate run: tools/rlvs-ynl-regen */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "rlvs_nl.h"

#include <uapi/linux/rlvs.h>

/* Common nested types */
const struct nla_policy rlvs_service_identity_nl_policy[RLVS_A_SERVICE_PORT + 1] = {
	[RLVS_A_SERVICE_PROTOCOL] = { .type = NLA_U8, },
	[RLVS_A_SERVICE_ADDRESS] = NLA_POLICY_MAX_LEN(RLVS_ADDRESS_MAX_LEN),
	[RLVS_A_SERVICE_PORT] = { .type = NLA_BE16, },
};

/* RLVS_CMD_SERVICE_ADD - do */
static const struct nla_policy rlvs_service_add_nl_policy[RLVS_A_SERVICE_SLOW_START + 1] = {
	[RLVS_A_SERVICE_PROTOCOL] = { .type = NLA_U8, },
	[RLVS_A_SERVICE_ADDRESS] = NLA_POLICY_MAX_LEN(RLVS_ADDRESS_MAX_LEN),
	[RLVS_A_SERVICE_PORT] = { .type = NLA_BE16, },
	[RLVS_A_SERVICE_SCHEDULER] = { .type = NLA_NUL_STRING, .len = RLVS_SCHEDULER_MAX_LEN, },
	[RLVS_A_SERVICE_FLAGS] = { .type = NLA_U32, },
	[RLVS_A_SERVICE_FLAGS_MASK] = { .type = NLA_U32, },
	[RLVS_A_SERVICE_TABLE_SIZE] = { .type = NLA_U32, },
	[RLVS_A_SERVICE_TIMEOUT_TCP] = { .type = NLA_U32, },
	[RLVS_A_SERVICE_TIMEOUT_FIN] = { .type = NLA_U32, },
	[RLVS_A_SERVICE_TIMEOUT_UDP] = { .type = NLA_U32, },
	[RLVS_A_SERVICE_PERSISTENT] = { .type = NLA_U32, },
	[RLVS_A_SERVICE_PERSISTENT_PREFIX] = { .type = NLA_U8, },
	[RLVS_A_SERVICE_SLOW_START] = { .type = NLA_U32, },
};

/* RLVS_CMD_SERVICE_SET - do */
static const struct nla_policy rlvs_service_set_nl_policy[RLVS_A_SERVICE_SLOW_START + 1] = {
	[RLVS_A_SERVICE_PROTOCOL] = { .type = NLA_U8, },
	[RLVS_A_SERVICE_ADDRESS] = NLA_POLICY_MAX_LEN(RLVS_ADDRESS_MAX_LEN),
	[RLVS_A_SERVICE_PORT] = { .type = NLA_BE16, },
	[RLVS_A_SERVICE_SCHEDULER] = { .type = NLA_NUL_STRING, .len = RLVS_SCHEDULER_MAX_LEN, },
	[RLVS_A_SERVICE_FLAGS] = { .type = NLA_U32, },
	[RLVS_A_SERVICE_FLAGS_MASK] = { .type = NLA_U32, },
	[RLVS_A_SERVICE_TABLE_SIZE] = { .type = NLA_U32, },
	[RLVS_A_SERVICE_TIMEOUT_TCP] = { .type = NLA_U32, },
	[RLVS_A_SERVICE_TIMEOUT_FIN] = { .type = NLA_U32, },
	[RLVS_A_SERVICE_TIMEOUT_UDP] = { .type = NLA_U32, },
	[RLVS_A_SERVICE_PERSISTENT] = { .type = NLA_U32, },
	[RLVS_A_SERVICE_PERSISTENT_PREFIX] = { .type = NLA_U8, },
	[RLVS_A_SERVICE_SLOW_START] = { .type = NLA_U32, },
};

/* RLVS_CMD_SERVICE_DEL - do */
static const struct nla_policy rlvs_service_del_nl_policy[RLVS_A_SERVICE_CUT + 1] = {
	[RLVS_A_SERVICE_PROTOCOL] = { .type = NLA_U8, },
	[RLVS_A_SERVICE_ADDRESS] = NLA_POLICY_MAX_LEN(RLVS_ADDRESS_MAX_LEN),
	[RLVS_A_SERVICE_PORT] = { .type = NLA_BE16, },
	[RLVS_A_SERVICE_CUT] = { .type = NLA_FLAG, },
};

/* RLVS_CMD_SERVICE_ZERO - do */
static const struct nla_policy rlvs_service_zero_nl_policy[RLVS_A_SERVICE_PORT + 1] = {
	[RLVS_A_SERVICE_PROTOCOL] = { .type = NLA_U8, },
	[RLVS_A_SERVICE_ADDRESS] = NLA_POLICY_MAX_LEN(RLVS_ADDRESS_MAX_LEN),
	[RLVS_A_SERVICE_PORT] = { .type = NLA_BE16, },
};

/* RLVS_CMD_SERVICE_GET - do */
static const struct nla_policy rlvs_service_get_nl_policy[RLVS_A_SERVICE_PORT + 1] = {
	[RLVS_A_SERVICE_PROTOCOL] = { .type = NLA_U8, },
	[RLVS_A_SERVICE_ADDRESS] = NLA_POLICY_MAX_LEN(RLVS_ADDRESS_MAX_LEN),
	[RLVS_A_SERVICE_PORT] = { .type = NLA_BE16, },
};

/* RLVS_CMD_DESTINATION_ADD - do */
static const struct nla_policy rlvs_destination_add_nl_policy[RLVS_A_DESTINATION_USER + 1] = {
	[RLVS_A_DESTINATION_SERVICE] = NLA_POLICY_NESTED(rlvs_service_identity_nl_policy),
	[RLVS_A_DESTINATION_ADDRESS] = NLA_POLICY_MAX_LEN(RLVS_ADDRESS_MAX_LEN),
	[RLVS_A_DESTINATION_PORT] = { .type = NLA_BE16, },
	[RLVS_A_DESTINATION_LAST_PORT] = { .type = NLA_BE16, },
	[RLVS_A_DESTINATION_METHOD] = NLA_POLICY_MAX(NLA_U8, 2),
	[RLVS_A_DESTINATION_WEIGHT] = { .type = NLA_U32, },
	[RLVS_A_DESTINATION_MAX_CONNECTIONS] = { .type = NLA_U32, },
	[RLVS_A_DESTINATION_MIN_CONNECTIONS] = { .type = NLA_U32, },
	[RLVS_A_DESTINATION_PRIVATE] = NLA_POLICY_MAX(NLA_U8, 1),
	[RLVS_A_DESTINATION_USER] = { .type = NLA_U32, },
};

/* RLVS_CMD_DESTINATION_SET - do */
static const struct nla_policy rlvs_destination_set_nl_policy[RLVS_A_DESTINATION_USER + 1] = {
	[RLVS_A_DESTINATION_SERVICE] = NLA_POLICY_NESTED(rlvs_service_identity_nl_policy),
	[RLVS_A_DESTINATION_ADDRESS] = NLA_POLICY_MAX_LEN(RLVS_ADDRESS_MAX_LEN),
	[RLVS_A_DESTINATION_PORT] = { .type = NLA_BE16, },
	[RLVS_A_DESTINATION_LAST_PORT] = { .type = NLA_BE16, },
	[RLVS_A_DESTINATION_METHOD] = NLA_POLICY_MAX(NLA_U8, 2),
	[RLVS_A_DESTINATION_WEIGHT] = { .type = NLA_U32, },
	[RLVS_A_DESTINATION_MAX_CONNECTIONS] = { .type = NLA_U32, },
	[RLVS_A_DESTINATION_MIN_CONNECTIONS] = { .type = NLA_U32, },
	[RLVS_A_DESTINATION_PRIVATE] = NLA_POLICY_MAX(NLA_U8, 1),
	[RLVS_A_DESTINATION_USER] = { .type = NLA_U32, },
};

/* RLVS_CMD_DESTINATION_DEL - do */
static const struct nla_policy rlvs_destination_del_nl_policy[RLVS_A_DESTINATION_CUT + 1] = {
	[RLVS_A_DESTINATION_SERVICE] = NLA_POLICY_NESTED(rlvs_service_identity_nl_policy),
	[RLVS_A_DESTINATION_ADDRESS] = NLA_POLICY_MAX_LEN(RLVS_ADDRESS_MAX_LEN),
	[RLVS_A_DESTINATION_PORT] = { .type = NLA_BE16, },
	[RLVS_A_DESTINATION_LAST_PORT] = { .type = NLA_BE16, },
	[RLVS_A_DESTINATION_CUT] = { .type = NLA_FLAG, },
};

/* RLVS_CMD_DESTINATION_GET - dump */
static const struct nla_policy rlvs_destination_get_nl_policy[RLVS_A_DESTINATION_SERVICE + 1] = {
	[RLVS_A_DESTINATION_SERVICE] = NLA_POLICY_NESTED(rlvs_service_identity_nl_policy),
};

/* RLVS_CMD_FLUSH - do */
static const struct nla_policy rlvs_flush_nl_policy[RLVS_A_SERVICE_CUT + 1] = {
	[RLVS_A_SERVICE_CUT] = { .type = NLA_FLAG, },
};

/* RLVS_CMD_TIMEOUTS_SET - do */
static const struct nla_policy rlvs_timeouts_set_nl_policy[RLVS_A_TIMEOUTS_UDP + 1] = {
	[RLVS_A_TIMEOUTS_TCP] = { .type = NLA_U32, },
	[RLVS_A_TIMEOUTS_TCP_FIN] = { .type = NLA_U32, },
	[RLVS_A_TIMEOUTS_UDP] = { .type = NLA_U32, },
};

/* Ops table for rlvs */
static const struct genl_split_ops rlvs_nl_ops[] = {
	{
		.cmd		= RLVS_CMD_SERVICE_ADD,
		.doit		= rlvs_nl_service_add_doit,
		.policy		= rlvs_service_add_nl_policy,
		.maxattr	= RLVS_A_SERVICE_SLOW_START,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= RLVS_CMD_SERVICE_SET,
		.doit		= rlvs_nl_service_set_doit,
		.policy		= rlvs_service_set_nl_policy,
		.maxattr	= RLVS_A_SERVICE_SLOW_START,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= RLVS_CMD_SERVICE_DEL,
		.doit		= rlvs_nl_service_del_doit,
		.policy		= rlvs_service_del_nl_policy,
		.maxattr	= RLVS_A_SERVICE_CUT,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= RLVS_CMD_SERVICE_ZERO,
		.doit		= rlvs_nl_service_zero_doit,
		.policy		= rlvs_service_zero_nl_policy,
		.maxattr	= RLVS_A_SERVICE_PORT,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= RLVS_CMD_SERVICE_GET,
		.doit		= rlvs_nl_service_get_doit,
		.policy		= rlvs_service_get_nl_policy,
		.maxattr	= RLVS_A_SERVICE_PORT,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= RLVS_CMD_SERVICE_GET,
		.start	= rlvs_nl_dump_start,
		.dumpit	= rlvs_nl_service_get_dumpit,
		.done	= rlvs_nl_dump_done,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= RLVS_CMD_DESTINATION_ADD,
		.doit		= rlvs_nl_destination_add_doit,
		.policy		= rlvs_destination_add_nl_policy,
		.maxattr	= RLVS_A_DESTINATION_USER,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= RLVS_CMD_DESTINATION_SET,
		.doit		= rlvs_nl_destination_set_doit,
		.policy		= rlvs_destination_set_nl_policy,
		.maxattr	= RLVS_A_DESTINATION_USER,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= RLVS_CMD_DESTINATION_DEL,
		.doit		= rlvs_nl_destination_del_doit,
		.policy		= rlvs_destination_del_nl_policy,
		.maxattr	= RLVS_A_DESTINATION_CUT,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= RLVS_CMD_DESTINATION_GET,
		.start		= rlvs_nl_dump_start,
		.dumpit		= rlvs_nl_destination_get_dumpit,
		.done		= rlvs_nl_dump_done,
		.policy		= rlvs_destination_get_nl_policy,
		.maxattr	= RLVS_A_DESTINATION_SERVICE,
		.flags		= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd	= RLVS_CMD_CONNECTION_GET,
		.start	= rlvs_nl_dump_start,
		.dumpit	= rlvs_nl_connection_get_dumpit,
		.done	= rlvs_nl_dump_done,
		.flags	= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DUMP,
	},
	{
		.cmd	= RLVS_CMD_COUNTERS_GET,
		.doit	= rlvs_nl_counters_get_doit,
		.flags	= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= RLVS_CMD_FLUSH,
		.doit		= rlvs_nl_flush_doit,
		.policy		= rlvs_flush_nl_policy,
		.maxattr	= RLVS_A_SERVICE_CUT,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd	= RLVS_CMD_TIMEOUTS_GET,
		.doit	= rlvs_nl_timeouts_get_doit,
		.flags	= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= RLVS_CMD_TIMEOUTS_SET,
		.doit		= rlvs_nl_timeouts_set_doit,
		.policy		= rlvs_timeouts_set_nl_policy,
		.maxattr	= RLVS_A_TIMEOUTS_UDP,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd	= RLVS_CMD_TEMPLATE_GET,
		.start	= rlvs_nl_dump_start,
		.dumpit	= rlvs_nl_template_get_dumpit,
		.done	= rlvs_nl_dump_done,
		.flags	= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DUMP,
	},
};

static const struct genl_multicast_group rlvs_nl_mcgrps[] = {
	[RLVS_NLGRP_EVENTS] = { "events", },
};

struct genl_family rlvs_nl_family __ro_after_init = {
	.name		= RLVS_FAMILY_NAME,
	.version	= RLVS_FAMILY_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.split_ops	= rlvs_nl_ops,
	.n_split_ops	= ARRAY_SIZE(rlvs_nl_ops),
	.mcgrps		= rlvs_nl_mcgrps,
	.n_mcgrps	= ARRAY_SIZE(rlvs_nl_mcgrps),
};
