/* SPDX-License-Identifier: GPL-2.0 */
/* What bindgen reads for the crate rlvs_kext. */
#include <uapi/linux/ip_vs.h>
#include <uapi/linux/rlvs.h>

#include "../helpers/rlvs_helpers.h"
