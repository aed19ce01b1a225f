// SPDX-License-Identifier: GPL-2.0
/* Barriers are macros. */
#include <asm/barrier.h>

#include "rlvs_helpers.h"

/* What it orders, and with what it pairs, is said where it is called. */
void rlvs_smp_mb(void)
{
	/* See the caller. */
	smp_mb();
}
