// SPDX-License-Identifier: GPL-2.0
/*
 * The module's own generic netlink family: the operations that the specification's
 * generated table names, and the inline functions that build messages.
 */
#include <net/genetlink.h>

#include "../netlink/rlvs_nl.h"
#include "rlvs_helpers.h"

static const struct rlvs_genl_ops *rlvs_genl_callbacks;

/* Sockets that have joined the group so far, in all namespaces. */
static atomic_t rlvs_genl_joins = ATOMIC_INIT(0);

/*
 * The group has its number. What is sent holds the lock, so that nothing goes to
 * the family that may have the number afterwards.
 */
static DECLARE_RWSEM(rlvs_genl_sending);
static bool rlvs_genl_has_group;

/* The generated table has no place for the capability. */
static const struct genl_multicast_group rlvs_genl_groups[] = {
	[RLVS_NLGRP_EVENTS] = {
		.name = RLVS_MCGRP_EVENTS,
		.flags = GENL_MCAST_CAP_NET_ADMIN,
	},
};

static int rlvs_genl_bind(int group)
{
	atomic_inc(&rlvs_genl_joins);
	return 0;
}

static int rlvs_genl_doit(struct sk_buff *skb, struct genl_info *info)
{
	return rlvs_genl_callbacks->doit(rlvs_netns_of(genl_info_net(info)),
					 skb, info, info->genlhdr->cmd);
}

static int rlvs_genl_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	const struct genl_info *info = genl_info_dump(cb);

	return rlvs_genl_callbacks->dumpit(rlvs_netns_of(genl_info_net(info)),
					   skb, cb, info->genlhdr->cmd);
}

int rlvs_nl_dump_start(struct netlink_callback *cb)
{
	return rlvs_genl_callbacks->start(cb);
}

int rlvs_nl_dump_done(struct netlink_callback *cb)
{
	rlvs_genl_callbacks->done(cb);
	return 0;
}

int rlvs_nl_service_add_doit(struct sk_buff *skb, struct genl_info *info)
{
	return rlvs_genl_doit(skb, info);
}

int rlvs_nl_service_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	return rlvs_genl_doit(skb, info);
}

int rlvs_nl_service_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	return rlvs_genl_doit(skb, info);
}

int rlvs_nl_service_zero_doit(struct sk_buff *skb, struct genl_info *info)
{
	return rlvs_genl_doit(skb, info);
}

int rlvs_nl_service_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	return rlvs_genl_doit(skb, info);
}

int rlvs_nl_service_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	return rlvs_genl_dumpit(skb, cb);
}

int rlvs_nl_destination_add_doit(struct sk_buff *skb, struct genl_info *info)
{
	return rlvs_genl_doit(skb, info);
}

int rlvs_nl_destination_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	return rlvs_genl_doit(skb, info);
}

int rlvs_nl_destination_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	return rlvs_genl_doit(skb, info);
}

int rlvs_nl_destination_get_dumpit(struct sk_buff *skb,
				   struct netlink_callback *cb)
{
	return rlvs_genl_dumpit(skb, cb);
}

int rlvs_nl_connection_get_dumpit(struct sk_buff *skb,
				  struct netlink_callback *cb)
{
	return rlvs_genl_dumpit(skb, cb);
}

int rlvs_nl_template_get_dumpit(struct sk_buff *skb,
				struct netlink_callback *cb)
{
	return rlvs_genl_dumpit(skb, cb);
}

int rlvs_nl_counters_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	return rlvs_genl_doit(skb, info);
}

int rlvs_nl_timeouts_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	return rlvs_genl_doit(skb, info);
}

int rlvs_nl_timeouts_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	return rlvs_genl_doit(skb, info);
}

int rlvs_nl_flush_doit(struct sk_buff *skb, struct genl_info *info)
{
	return rlvs_genl_doit(skb, info);
}

static void rlvs_genl_let_send(bool let)
{
	down_write(&rlvs_genl_sending);
	rlvs_genl_has_group = let;
	up_write(&rlvs_genl_sending);
}

/*
 * One user at a time: -EBUSY for the second. Called by the module's
 * initialisation, after which the family is read-only. May sleep.
 */
int rlvs_genl_register(const struct rlvs_genl_ops *ops)
{
	int err;

	if (cmpxchg(&rlvs_genl_callbacks, NULL, ops))
		return -EBUSY;
	rlvs_nl_family.mcgrps = rlvs_genl_groups;
	rlvs_nl_family.n_mcgrps = ARRAY_SIZE(rlvs_genl_groups);
	rlvs_nl_family.bind = rlvs_genl_bind;
	err = genl_register_family(&rlvs_nl_family);
	if (err)
		rlvs_genl_callbacks = NULL;
	else
		rlvs_genl_let_send(true);
	return err;
}

/* Waits for handlers that run; a dump under way holds the module. */
void rlvs_genl_unregister(void)
{
	rlvs_genl_let_send(false);
	genl_unregister_family(&rlvs_nl_family);
	rlvs_genl_callbacks = NULL;
}

/* The attribute, or NULL when it is absent or the command has none such. */
static struct nlattr *rlvs_genl_find(const struct genl_info *info,
				     u8 cap, u16 attribute)
{
	const struct genl_split_ops *op = rlvs_nl_family.split_ops;
	unsigned int i;

	for (i = 0; i < rlvs_nl_family.n_split_ops; i++, op++) {
		if (op->cmd == info->genlhdr->cmd && (op->flags & cap)) {
			if (!info->attrs || attribute > op->maxattr)
				return NULL;
			return info->attrs[attribute];
		}
	}
	return NULL;
}

struct nlattr *rlvs_genl_attr(const struct genl_info *info, u16 attribute)
{
	if (info->family != &rlvs_nl_family)
		return rlvs_ipvs_attr(info, attribute);
	return rlvs_genl_find(info, GENL_CMD_CAP_DO, attribute);
}

struct nlattr *rlvs_genl_dump_attr(struct netlink_callback *cb, u16 attribute)
{
	const struct genl_info *info = genl_info_dump(cb);

	if (info->family != &rlvs_nl_family)
		return rlvs_ipvs_dump_attr(cb, attribute);
	return rlvs_genl_find(info, GENL_CMD_CAP_DUMP, attribute);
}

void **rlvs_genl_dump_state(struct netlink_callback *cb)
{
	return (void **)&cb->args[0];
}

struct netlink_ext_ack *rlvs_genl_dump_extack(struct netlink_callback *cb)
{
	return cb->extack;
}

struct netlink_ext_ack *rlvs_genl_extack(struct genl_info *info)
{
	return info->extack;
}

/* @table has room for RLVS_NESTED pointers. */
int rlvs_genl_parse(struct nlattr *nest, enum rlvs_nest which,
		    struct nlattr **table, struct netlink_ext_ack *extack)
{
	BUILD_BUG_ON(RLVS_A_SERVICE_PORT >= RLVS_NESTED);
	if (which != RLVS_NEST_SERVICE)
		return rlvs_ipvs_parse(nest, which, table, extack);
	return nla_parse_nested(table, RLVS_A_SERVICE_PORT, nest,
				rlvs_service_identity_nl_policy, extack);
}

struct sk_buff *rlvs_genl_message_new(void)
{
	return genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
}

void rlvs_genl_message_free(struct sk_buff *skb)
{
	nlmsg_free(skb);
}

void *rlvs_genl_put_reply(struct sk_buff *skb, struct genl_info *info, u8 cmd)
{
	return genlmsg_put_reply(skb, info, info->family, 0, cmd);
}

/* A dump over which the generation changes is marked as interrupted. */
void rlvs_genl_dump_generation(struct netlink_callback *cb, u32 generation)
{
	cb->seq = generation;
}

void *rlvs_genl_put_dump(struct sk_buff *skb, struct netlink_callback *cb,
			 u8 cmd)
{
	void *header;

	header = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
			     cb->nlh->nlmsg_seq, genl_info_dump(cb)->family,
			     NLM_F_MULTI, cmd);
	if (header)
		genl_dump_check_consistent(cb, header);
	return header;
}

void rlvs_genl_end(struct sk_buff *skb, void *header)
{
	genlmsg_end(skb, header);
}

void rlvs_genl_cancel(struct sk_buff *skb, void *header)
{
	genlmsg_cancel(skb, header);
}

int rlvs_genl_reply(struct sk_buff *skb, struct genl_info *info)
{
	return genlmsg_reply(skb, info);
}

struct nlattr *rlvs_nla_nest_start(struct sk_buff *skb, u16 attribute,
				   bool marked)
{
	return marked ? nla_nest_start(skb, attribute) :
			nla_nest_start_noflag(skb, attribute);
}

void rlvs_nla_nest_end(struct sk_buff *skb, struct nlattr *nest)
{
	nla_nest_end(skb, nest);
}

int rlvs_nla_put_uint(struct sk_buff *skb, u16 attribute, u64 value)
{
	return nla_put_uint(skb, attribute, value);
}

int rlvs_nla_put_u64(struct sk_buff *skb, u16 attribute, u64 value, u16 pad)
{
	return nla_put_u64_64bit(skb, attribute, value, pad);
}

void rlvs_extack_miss(struct netlink_ext_ack *extack, u16 attribute)
{
	if (extack)
		extack->miss_type = attribute;
}

u32 rlvs_genl_join_count(void)
{
	return atomic_read(&rlvs_genl_joins);
}

/* Returns true if a socket of the namespace has joined the group. May sleep. */
bool rlvs_genl_has_listeners(struct net *net)
{
	bool has;

	down_read(&rlvs_genl_sending);
	has = rlvs_genl_has_group &&
	      genl_has_listeners(&rlvs_nl_family, net, RLVS_NLGRP_EVENTS);
	up_read(&rlvs_genl_sending);
	return has;
}

/* Allocates a message with room for @payload bytes. May sleep. */
struct sk_buff *rlvs_genl_notice_new(u32 payload)
{
	return genlmsg_new(payload, GFP_KERNEL);
}

void *rlvs_genl_put_notice(struct sk_buff *skb, u8 cmd)
{
	return genlmsg_put(skb, 0, 0, &rlvs_nl_family, 0, cmd);
}

/* Sets ENOBUFS at the sockets that have joined: a message is lost. May sleep. */
void rlvs_genl_lost(struct net *net)
{
	down_read(&rlvs_genl_sending);
	if (rlvs_genl_has_group)
		genl_set_err(&rlvs_nl_family, net, 0, RLVS_NLGRP_EVENTS,
			     -ENOBUFS);
	up_read(&rlvs_genl_sending);
}

/* Takes the message. May sleep. */
int rlvs_genl_multicast(struct net *net, struct sk_buff *skb)
{
	int err = -ENODEV;

	down_read(&rlvs_genl_sending);
	if (rlvs_genl_has_group)
		err = genlmsg_multicast_netns(&rlvs_nl_family, net, skb, 0,
					      RLVS_NLGRP_EVENTS, GFP_KERNEL);
	else
		nlmsg_free(skb);
	up_read(&rlvs_genl_sending);
	return err;
}
