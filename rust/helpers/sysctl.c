// SPDX-License-Identifier: GPL-2.0
/* Integer sysctls of one network namespace. */
#include <linux/capability.h>
#include <linux/slab.h>
#include <linux/sysctl.h>
#include <net/net_namespace.h>

#include "rlvs_helpers.h"

/*
 * Reads or writes one number. A namespace's own administrator may be somebody
 * whom the host does not trust with its memory: what is capped, he may set to
 * the cap at most, which is what the host's administrator has set last.
 */
static int rlvs_sysctl_handle(const struct ctl_table *table, int write,
			      void *buffer, size_t *lenp, loff_t *ppos)
{
	const struct rlvs_sysctl *spec = table->extra1;
	bool host = write && spec->capped && capable(CAP_NET_ADMIN);
	int *value = table->data;
	int *cap = table->extra2;
	int now = READ_ONCE(*value);
	int max = write && spec->capped && !host ? READ_ONCE(*cap) : spec->max;
	const struct ctl_table tmp = {
		.procname = table->procname,
		.data = &now,
		.maxlen = sizeof(now),
		.mode = table->mode,
		.extra1 = (void *)&spec->min,
		.extra2 = &max,
	};
	int err;

	err = proc_dointvec_minmax(&tmp, write, buffer, lenp, ppos);
	if (err || !write)
		return err;
	if (host)
		WRITE_ONCE(*cap, now);
	WRITE_ONCE(*value, now);
	return 0;
}

/*
 * Makes a file for each of @specs in the folder @path; @values and @caps have
 * as many numbers. NULL when memory is short. May sleep.
 */
struct ctl_table_header *rlvs_sysctl_register(struct net *net, const char *path,
					      const struct rlvs_sysctl *specs,
					      u32 count, int *values, int *caps)
{
	struct ctl_table_header *header;
	void *table;
	u32 i;

	table = kcalloc(count, sizeof(*header->ctl_table), GFP_KERNEL);
	if (!table)
		return NULL;
	for (i = 0; i < count; i++) {
		const struct ctl_table entry = {
			.procname = specs[i].name,
			.data = &values[i],
			.maxlen = sizeof(values[i]),
			.mode = 0644,
			.proc_handler = rlvs_sysctl_handle,
			.extra1 = (void *)&specs[i],
			.extra2 = &caps[i],
		};

		memcpy(table + i * sizeof(entry), &entry, sizeof(entry));
	}
	header = register_net_sysctl_sz(net, path, table, count);
	if (!header)
		kfree(table);
	return header;
}

/* Waits for those who read or write one of the files. May sleep. */
void rlvs_sysctl_unregister(struct ctl_table_header *header)
{
	const struct ctl_table *table = header->ctl_table_arg;

	unregister_net_sysctl_table(header);
	kfree(table);
}
