// SPDX-License-Identifier: GPL-2.0
/* The limit that the network stack has for all its messages together. */
#include <linux/net.h>

#include "rlvs_helpers.h"

bool rlvs_net_ratelimit(void)
{
	return net_ratelimit();
}
