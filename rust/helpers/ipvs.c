// SPDX-License-Identifier: GPL-2.0
/*
 * The generic netlink family of ip_vs, so that its clients need no other
 * program for this module: the numbers, the types of attributes and the
 * permissions are those of include/uapi/linux/ip_vs.h and of ip_vs's own table.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/rwsem.h>
#include <linux/string.h>
#include <net/genetlink.h>
#include <uapi/linux/ip_vs.h>

#include "rlvs_helpers.h"

/*
 * The name is taken before there is anything to answer from, and given back
 * after: ip_vs, which has things of other names as well, is then refused in
 * time. Requests hold the lock, so that closing waits for them.
 */
static DECLARE_RWSEM(rlvs_ipvs_lock);
static const struct rlvs_genl_ops *rlvs_ipvs_callbacks;

static int rlvs_ipvs_not_open(struct netlink_ext_ack *extack)
{
	NL_SET_ERR_MSG(extack, "the module rlvs is being loaded or unloaded: try again");
	return -EBUSY;
}

static int rlvs_ipvs_doit(struct sk_buff *skb, struct genl_info *info)
{
	int err;

	down_read(&rlvs_ipvs_lock);
	if (rlvs_ipvs_callbacks)
		err = rlvs_ipvs_callbacks->doit(rlvs_netns_of(genl_info_net(info)),
						skb, info, info->genlhdr->cmd);
	else
		err = rlvs_ipvs_not_open(info->extack);
	up_read(&rlvs_ipvs_lock);
	return err;
}

static int rlvs_ipvs_start(struct netlink_callback *cb)
{
	int err;

	down_read(&rlvs_ipvs_lock);
	if (rlvs_ipvs_callbacks)
		err = rlvs_ipvs_callbacks->start(cb);
	else
		err = rlvs_ipvs_not_open(cb->extack);
	up_read(&rlvs_ipvs_lock);
	return err;
}

/* A dump holds the module, which is open longer than that. */
static int rlvs_ipvs_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	const struct genl_info *info = genl_info_dump(cb);

	return rlvs_ipvs_callbacks->dumpit(rlvs_netns_of(genl_info_net(info)),
					   skb, cb, info->genlhdr->cmd);
}

static int rlvs_ipvs_done(struct netlink_callback *cb)
{
	rlvs_ipvs_callbacks->done(cb);
	return 0;
}

static const struct nla_policy rlvs_ipvs_policy[IPVS_CMD_ATTR_MAX + 1] = {
	[IPVS_CMD_ATTR_SERVICE]		= { .type = NLA_NESTED },
	[IPVS_CMD_ATTR_DEST]		= { .type = NLA_NESTED },
	[IPVS_CMD_ATTR_DAEMON]		= { .type = NLA_NESTED },
	[IPVS_CMD_ATTR_TIMEOUT_TCP]	= { .type = NLA_U32 },
	[IPVS_CMD_ATTR_TIMEOUT_TCP_FIN]	= { .type = NLA_U32 },
	[IPVS_CMD_ATTR_TIMEOUT_UDP]	= { .type = NLA_U32 },
};

static const struct nla_policy rlvs_ipvs_service_policy[IPVS_SVC_ATTR_MAX + 1] = {
	[IPVS_SVC_ATTR_AF]		= { .type = NLA_U16 },
	[IPVS_SVC_ATTR_PROTOCOL]	= { .type = NLA_U16 },
	[IPVS_SVC_ATTR_ADDR]		= { .type = NLA_BINARY, .len = 16 },
	[IPVS_SVC_ATTR_PORT]		= { .type = NLA_U16 },
	[IPVS_SVC_ATTR_FWMARK]		= { .type = NLA_U32 },
	[IPVS_SVC_ATTR_SCHED_NAME]	= { .type = NLA_NUL_STRING,
					    .len = IP_VS_SCHEDNAME_MAXLEN - 1 },
	[IPVS_SVC_ATTR_FLAGS]		= { .type = NLA_BINARY,
					    .len = sizeof(struct ip_vs_flags) },
	[IPVS_SVC_ATTR_TIMEOUT]		= { .type = NLA_U32 },
	[IPVS_SVC_ATTR_NETMASK]		= { .type = NLA_U32 },
	[IPVS_SVC_ATTR_STATS]		= { .type = NLA_NESTED },
	[IPVS_SVC_ATTR_PE_NAME]		= { .type = NLA_NUL_STRING,
					    .len = IP_VS_PENAME_MAXLEN },
};

static const struct nla_policy rlvs_ipvs_dest_policy[IPVS_DEST_ATTR_MAX + 1] = {
	[IPVS_DEST_ATTR_ADDR]		= { .type = NLA_BINARY, .len = 16 },
	[IPVS_DEST_ATTR_PORT]		= { .type = NLA_U16 },
	[IPVS_DEST_ATTR_FWD_METHOD]	= { .type = NLA_U32 },
	[IPVS_DEST_ATTR_WEIGHT]		= { .type = NLA_U32 },
	[IPVS_DEST_ATTR_U_THRESH]	= { .type = NLA_U32 },
	[IPVS_DEST_ATTR_L_THRESH]	= { .type = NLA_U32 },
	[IPVS_DEST_ATTR_ACTIVE_CONNS]	= { .type = NLA_U32 },
	[IPVS_DEST_ATTR_INACT_CONNS]	= { .type = NLA_U32 },
	[IPVS_DEST_ATTR_PERSIST_CONNS]	= { .type = NLA_U32 },
	[IPVS_DEST_ATTR_STATS]		= { .type = NLA_NESTED },
	[IPVS_DEST_ATTR_ADDR_FAMILY]	= { .type = NLA_U16 },
	[IPVS_DEST_ATTR_TUN_TYPE]	= { .type = NLA_U8 },
	[IPVS_DEST_ATTR_TUN_PORT]	= { .type = NLA_U16 },
	[IPVS_DEST_ATTR_TUN_FLAGS]	= { .type = NLA_U16 },
};

static const struct nla_policy rlvs_ipvs_daemon_policy[IPVS_DAEMON_ATTR_MAX + 1] = {
	[IPVS_DAEMON_ATTR_STATE]	= { .type = NLA_U32 },
	[IPVS_DAEMON_ATTR_MCAST_IFN]	= { .type = NLA_NUL_STRING,
					    .len = IP_VS_IFNAME_MAXLEN - 1 },
	[IPVS_DAEMON_ATTR_SYNC_ID]	= { .type = NLA_U32 },
	[IPVS_DAEMON_ATTR_SYNC_MAXLEN]	= { .type = NLA_U16 },
	[IPVS_DAEMON_ATTR_MCAST_GROUP]	= { .type = NLA_U32 },
	[IPVS_DAEMON_ATTR_MCAST_GROUP6]	= { .len = 16 },
	[IPVS_DAEMON_ATTR_MCAST_PORT]	= { .type = NLA_U16 },
	[IPVS_DAEMON_ATTR_MCAST_TTL]	= { .type = NLA_U8 },
};

/*
 * Clients are older than the strict checks of attributes; and only the host's
 * administrator may ask, as with ip_vs.
 */
#define RLVS_IPVS_OP(name)						\
	.cmd = IPVS_CMD_##name,						\
	.flags = GENL_ADMIN_PERM,					\
	.validate = GENL_DONT_VALIDATE_STRICT | GENL_DONT_VALIDATE_DUMP

#define RLVS_IPVS_DUMP							\
	.start = rlvs_ipvs_start,					\
	.dumpit = rlvs_ipvs_dumpit,					\
	.done = rlvs_ipvs_done

static const struct genl_ops rlvs_ipvs_ops[] = {
	{ RLVS_IPVS_OP(NEW_SERVICE), .doit = rlvs_ipvs_doit },
	{ RLVS_IPVS_OP(SET_SERVICE), .doit = rlvs_ipvs_doit },
	{ RLVS_IPVS_OP(DEL_SERVICE), .doit = rlvs_ipvs_doit },
	{ RLVS_IPVS_OP(GET_SERVICE), .doit = rlvs_ipvs_doit, RLVS_IPVS_DUMP },
	{ RLVS_IPVS_OP(NEW_DEST), .doit = rlvs_ipvs_doit },
	{ RLVS_IPVS_OP(SET_DEST), .doit = rlvs_ipvs_doit },
	{ RLVS_IPVS_OP(DEL_DEST), .doit = rlvs_ipvs_doit },
	{ RLVS_IPVS_OP(GET_DEST), RLVS_IPVS_DUMP },
	{ RLVS_IPVS_OP(NEW_DAEMON), .doit = rlvs_ipvs_doit },
	{ RLVS_IPVS_OP(DEL_DAEMON), .doit = rlvs_ipvs_doit },
	{ RLVS_IPVS_OP(GET_DAEMON), RLVS_IPVS_DUMP },
	{ RLVS_IPVS_OP(SET_CONFIG), .doit = rlvs_ipvs_doit },
	{ RLVS_IPVS_OP(GET_CONFIG), .doit = rlvs_ipvs_doit },
	{ RLVS_IPVS_OP(GET_INFO), .doit = rlvs_ipvs_doit },
	{ RLVS_IPVS_OP(ZERO), .doit = rlvs_ipvs_doit },
	{ RLVS_IPVS_OP(FLUSH), .doit = rlvs_ipvs_doit },
};

static struct genl_family rlvs_ipvs_family __ro_after_init = {
	.name		= IPVS_GENL_NAME,
	.version	= IPVS_GENL_VERSION,
	.maxattr	= IPVS_CMD_ATTR_MAX,
	.policy		= rlvs_ipvs_policy,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.ops		= rlvs_ipvs_ops,
	.n_ops		= ARRAY_SIZE(rlvs_ipvs_ops),
	.resv_start_op	= IPVS_CMD_FLUSH + 1,
};

/*
 * ip_vs would find the name taken too, but only after it has made files and
 * sysctls of names that are taken as well, about which the kernel complains.
 */
static int rlvs_ipvs_module(struct notifier_block *block, unsigned long event,
			    void *data)
{
	const struct module *module = data;

	if (event != MODULE_STATE_COMING || strcmp(module->name, "ip_vs"))
		return NOTIFY_DONE;
	pr_err("only one of ip_vs and rlvs can be loaded: unload rlvs first\n");
	return notifier_from_errno(-EBUSY);
}

static struct notifier_block rlvs_ipvs_block = {
	.notifier_call = rlvs_ipvs_module,
};

/* -EEXIST while ip_vs has the name. May sleep. */
int rlvs_ipvs_register(void)
{
	int err;

	err = register_module_notifier(&rlvs_ipvs_block);
	if (err)
		return err;
	err = genl_register_family(&rlvs_ipvs_family);
	if (err)
		unregister_module_notifier(&rlvs_ipvs_block);
	return err;
}

void rlvs_ipvs_unregister(void)
{
	genl_unregister_family(&rlvs_ipvs_family);
	unregister_module_notifier(&rlvs_ipvs_block);
}

/* One user at a time: -EBUSY for the second. May sleep. */
int rlvs_ipvs_open(const struct rlvs_genl_ops *ops)
{
	int err = 0;

	down_write(&rlvs_ipvs_lock);
	if (rlvs_ipvs_callbacks)
		err = -EBUSY;
	else
		rlvs_ipvs_callbacks = ops;
	up_write(&rlvs_ipvs_lock);
	return err;
}

/* Waits for handlers that run; a dump under way holds the module. */
void rlvs_ipvs_close(void)
{
	down_write(&rlvs_ipvs_lock);
	rlvs_ipvs_callbacks = NULL;
	up_write(&rlvs_ipvs_lock);
}

struct nlattr *rlvs_ipvs_attr(const struct genl_info *info, u16 attribute)
{
	if (!info->attrs || attribute > IPVS_CMD_ATTR_MAX)
		return NULL;
	return info->attrs[attribute];
}

/* The kernel does not parse the request of a dump that is not validated. */
struct nlattr *rlvs_ipvs_dump_attr(struct netlink_callback *cb, u16 attribute)
{
	struct nlattr *attrs[IPVS_CMD_ATTR_MAX + 1];

	if (attribute > IPVS_CMD_ATTR_MAX ||
	    nlmsg_parse_deprecated(cb->nlh, GENL_HDRLEN, attrs,
				   IPVS_CMD_ATTR_MAX, rlvs_ipvs_policy,
				   cb->extack))
		return NULL;
	return attrs[attribute];
}

/* @table has room for RLVS_NESTED pointers. */
int rlvs_ipvs_parse(struct nlattr *nest, enum rlvs_nest which,
		    struct nlattr **table, struct netlink_ext_ack *extack)
{
	const struct nla_policy *policy = rlvs_ipvs_service_policy;
	int max = IPVS_SVC_ATTR_MAX;

	BUILD_BUG_ON(IPVS_SVC_ATTR_MAX >= RLVS_NESTED);
	BUILD_BUG_ON(IPVS_DEST_ATTR_MAX >= RLVS_NESTED);
	BUILD_BUG_ON(IPVS_DAEMON_ATTR_MAX >= RLVS_NESTED);
	if (which == RLVS_NEST_IPVS_DEST) {
		policy = rlvs_ipvs_dest_policy;
		max = IPVS_DEST_ATTR_MAX;
	} else if (which == RLVS_NEST_IPVS_DAEMON) {
		policy = rlvs_ipvs_daemon_policy;
		max = IPVS_DAEMON_ATTR_MAX;
	}
	/* Every fault is the same one to ip_vs's clients. */
	return nla_parse_nested_deprecated(table, max, nest, policy, extack) ?
		-EINVAL : 0;
}
