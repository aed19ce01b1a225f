// SPDX-License-Identifier: GPL-2.0
/* Barriers are macros. */
#include <asm/barrier.h>

#include "rlvs_helpers.h"

void rlvs_smp_mb(void)
{
	smp_mb();
}
