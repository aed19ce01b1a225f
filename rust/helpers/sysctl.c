// SPDX-License-Identifier: GPL-2.0
/* Integer sysctls of one network namespace. */
#include <linux/slab.h>
#include <linux/sysctl.h>
#include <net/net_namespace.h>

#include "rlvs_helpers.h"

/*
 * Makes a file for each of @specs in the folder @path; @values has as many
 * numbers. NULL when memory is short. May sleep.
 */
struct ctl_table_header *rlvs_sysctl_register(struct net *net, const char *path,
					      const struct rlvs_sysctl *specs,
					      u32 count, int *values)
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
			.proc_handler = proc_dointvec_minmax,
			.extra1 = (void *)&specs[i].min,
			.extra2 = (void *)&specs[i].max,
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
