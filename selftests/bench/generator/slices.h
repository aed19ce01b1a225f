/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Work is timed slice by slice, and the median tells what a slice takes: when the
 * machine does something else for some milliseconds, few slices know of it.
 */
#ifndef RLVS_SLICES_H
#define RLVS_SLICES_H

#include <linux/sort.h>
#include <linux/timekeeping.h>

#define SLICES_MOST	1024

struct slices {
	/* Units of work in each. */
	u32 size;
	u32 count;
	u64 begun;
	u32 nanoseconds[SLICES_MOST];
};

static void slices_begin(struct slices *slices, u32 units)
{
	slices->size = clamp(units / SLICES_MOST + 1, slices->size, U32_MAX);
	slices->count = 0;
	slices->begun = ktime_get_ns();
}

/* To be called after each unit of work with their number: once per slice it notes the time. */
static void slices_tick(struct slices *slices, u32 done)
{
	u64 now;

	if (done % slices->size || slices->count == SLICES_MOST)
		return;
	now = ktime_get_ns();
	slices->nanoseconds[slices->count++] = min(now - slices->begun, U32_MAX);
	slices->begun = now;
}

static int slices_compare(const void *a, const void *b)
{
	return cmp_int(*(const u32 *)a, *(const u32 *)b);
}

/* Nanoseconds that so many units take; 0 if there was no whole slice. */
static u64 slices_median(struct slices *slices, u32 units)
{
	if (!slices->count)
		return 0;
	sort(slices->nanoseconds, slices->count, sizeof(u32), slices_compare,
	     NULL);
	return div_u64((u64)slices->nanoseconds[slices->count / 2] * units,
		       slices->size);
}

#endif
