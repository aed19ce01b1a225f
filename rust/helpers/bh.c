// SPDX-License-Identifier: GPL-2.0
/* Bottom halves: local_bh_disable() and its pair are inline functions. */
#include <linux/bottom_half.h>

#include "rlvs_helpers.h"

void rlvs_local_bh_disable(void)
{
	local_bh_disable();
}

void rlvs_local_bh_enable(void)
{
	local_bh_enable();
}
