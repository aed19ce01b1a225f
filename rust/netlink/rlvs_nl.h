/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/rlvs.yaml */
/* YNL-GEN kernel header */
/* To regenerate run: tools/rlvs-ynl-regen */

#ifndef _LINUX_RLVS_GEN_H
#define _LINUX_RLVS_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/rlvs.h>

/* Common nested types */
extern const struct nla_policy rlvs_service_identity_nl_policy[RLVS_A_SERVICE_PORT + 1];

int rlvs_nl_dump_start(struct netlink_callback *cb);
int rlvs_nl_dump_done(struct netlink_callback *cb);

int rlvs_nl_service_add_doit(struct sk_buff *skb, struct genl_info *info);
int rlvs_nl_service_set_doit(struct sk_buff *skb, struct genl_info *info);
int rlvs_nl_service_del_doit(struct sk_buff *skb, struct genl_info *info);
int rlvs_nl_service_zero_doit(struct sk_buff *skb, struct genl_info *info);
int rlvs_nl_service_get_doit(struct sk_buff *skb, struct genl_info *info);
int rlvs_nl_service_get_dumpit(struct sk_buff *skb,
			       struct netlink_callback *cb);
int rlvs_nl_destination_add_doit(struct sk_buff *skb, struct genl_info *info);
int rlvs_nl_destination_set_doit(struct sk_buff *skb, struct genl_info *info);
int rlvs_nl_destination_del_doit(struct sk_buff *skb, struct genl_info *info);
int rlvs_nl_destination_get_dumpit(struct sk_buff *skb,
				   struct netlink_callback *cb);
int rlvs_nl_connection_get_dumpit(struct sk_buff *skb,
				  struct netlink_callback *cb);
int rlvs_nl_counters_get_doit(struct sk_buff *skb, struct genl_info *info);
int rlvs_nl_flush_doit(struct sk_buff *skb, struct genl_info *info);
int rlvs_nl_timeouts_get_doit(struct sk_buff *skb, struct genl_info *info);
int rlvs_nl_timeouts_set_doit(struct sk_buff *skb, struct genl_info *info);
int rlvs_nl_template_get_dumpit(struct sk_buff *skb,
				struct netlink_callback *cb);

enum {
	RLVS_NLGRP_EVENTS,
};

extern struct genl_family rlvs_nl_family;

#endif /* _LINUX_RLVS_GEN_H */
