/* SPDX-License-Identifier: GPL-2.0 */
/* What bindgen reads for the crate rlvs_kext. */
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <net/ipv6.h>
#include <uapi/linux/ip_vs.h>
#include <uapi/linux/rlvs.h>

#include "../helpers/rlvs_helpers.h"

#ifndef IP6_MAX_EXT_HDRS_CNT
#error "rlvs needs a kernel that has IP6_MAX_EXT_HDRS_CNT"
#endif
