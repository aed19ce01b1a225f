// SPDX-License-Identifier: GPL-2.0
/* Sysctls of one network namespace. */
#include <linux/capability.h>
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sched/isolation.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/sysctl.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>

#include "rlvs_helpers.h"

/* The files of a namespace. */
struct rlvs_sysctls {
	struct ctl_table_header *header;
	/* What follows is of the few files that are not one integer. */
	struct mutex lock;
	int pair[2];
	unsigned long pages;
	/* Until some were chosen, those of the kernel's threads. */
	bool has_cpus;
	cpumask_var_t cpus;
};

/*
 * Reads or writes one number. The host need not trust a namespace's own
 * administrator with its memory: what is capped, that one may set to the cap at
 * most, which is what the host's administrator has set last.
 */
static int rlvs_sysctl_number(const struct ctl_table *table, int write,
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

	if (write && spec->shared && !capable(CAP_NET_ADMIN))
		return -EPERM;
	if (spec->kind == RLVS_SYSCTL_SECONDS)
		err = proc_dointvec_jiffies(&tmp, write, buffer, lenp, ppos);
	else
		err = proc_dointvec_minmax(&tmp, write, buffer, lenp, ppos);
	if (err || !write)
		return err;
	if (spec->kind == RLVS_SYSCTL_POWER_OF_2 && !is_power_of_2(now))
		return -EINVAL;
	if (host)
		WRITE_ONCE(*cap, now);
	WRITE_ONCE(*value, now);
	return 0;
}

/* Two numbers, neither negative, the second one larger or 0. */
static int rlvs_sysctl_pair(const struct ctl_table *table, int write,
			    void *buffer, size_t *lenp, loff_t *ppos)
{
	struct rlvs_sysctls *sysctls = table->extra2;
	int now[2];
	const struct ctl_table tmp = {
		.procname = table->procname,
		.data = now,
		.maxlen = sizeof(now),
		.mode = table->mode,
	};
	int err;

	mutex_lock(&sysctls->lock);
	memcpy(now, sysctls->pair, sizeof(now));
	err = proc_dointvec(&tmp, write, buffer, lenp, ppos);
	if (!err && write) {
		if (now[0] < 0 || now[1] < 0 || (now[1] && now[0] >= now[1]))
			err = -EINVAL;
		else
			memcpy(sysctls->pair, now, sizeof(now));
	}
	mutex_unlock(&sysctls->lock);
	return err;
}

/* @buffer ends with a zero. Of the processors the writer's own count. */
static int rlvs_sysctl_set_cpus(struct rlvs_sysctls *sysctls, const char *buffer)
{
	cpumask_var_t cpus;
	int err;

	if (!alloc_cpumask_var(&cpus, GFP_KERNEL))
		return -ENOMEM;
	err = cpulist_parse(buffer, cpus);
	if (!err) {
		mutex_lock(&sysctls->lock);
		cpumask_and(sysctls->cpus, cpus, &current->cpus_mask);
		sysctls->has_cpus = true;
		mutex_unlock(&sysctls->lock);
	}
	free_cpumask_var(cpus);
	return err;
}

static size_t rlvs_sysctl_show_cpus(struct rlvs_sysctls *sysctls, char *buffer,
				    size_t size)
{
	const struct cpumask *cpus = sysctls->cpus;
	size_t length;

	mutex_lock(&sysctls->lock);
	rcu_read_lock();
	if (!sysctls->has_cpus)
		cpus = housekeeping_cpumask(HK_TYPE_KTHREAD);
	length = scnprintf(buffer, size, "%*pbl\n", cpumask_pr_args(cpus));
	rcu_read_unlock();
	mutex_unlock(&sysctls->lock);
	return length;
}

/* A list of processors, which is read and written in one piece. */
static int rlvs_sysctl_cpus(const struct ctl_table *table, int write,
			    void *buffer, size_t *lenp, loff_t *ppos)
{
	struct rlvs_sysctls *sysctls = table->extra2;
	int err = 0;

	if (*ppos || !*lenp) {
		*lenp = 0;
		return 0;
	}
	/* The buffer has one byte more, for a zero. */
	if (write)
		err = rlvs_sysctl_set_cpus(sysctls, buffer);
	else
		*lenp = rlvs_sysctl_show_cpus(sysctls, buffer, *lenp + 1);
	if (!err)
		*ppos += *lenp;
	return err;
}

/* A number of pages. */
static int rlvs_sysctl_pages(const struct ctl_table *table, int write,
			     void *buffer, size_t *lenp, loff_t *ppos)
{
	struct rlvs_sysctls *sysctls = table->extra2;
	const struct ctl_table tmp = {
		.procname = table->procname,
		.data = &sysctls->pages,
		.maxlen = sizeof(sysctls->pages),
		.mode = table->mode,
	};
	int err;

	mutex_lock(&sysctls->lock);
	err = proc_doulongvec_minmax(&tmp, write, buffer, lenp, ppos);
	mutex_unlock(&sysctls->lock);
	return err;
}

static proc_handler *rlvs_sysctl_handler(enum rlvs_sysctl_kind kind)
{
	switch (kind) {
	case RLVS_SYSCTL_PAIR:
		return rlvs_sysctl_pair;
	case RLVS_SYSCTL_PAGES:
		return rlvs_sysctl_pages;
	case RLVS_SYSCTL_CPUS:
		return rlvs_sysctl_cpus;
	default:
		return rlvs_sysctl_number;
	}
}

/*
 * Makes a file for each of @specs in the folder @path; @values and @caps have
 * as many numbers, and get their defaults. NULL when memory is short. May
 * sleep.
 */
struct rlvs_sysctls *rlvs_sysctl_register(struct net *net, const char *path,
					  const struct rlvs_sysctl *specs,
					  u32 count, int *values, int *caps)
{
	bool host = net->user_ns == &init_user_ns;
	bool first = net_eq(net, &init_net);
	struct rlvs_sysctls *sysctls;
	void *table;
	u32 i;

	sysctls = kzalloc_obj(*sysctls, GFP_KERNEL_ACCOUNT);
	if (!sysctls)
		return NULL;
	mutex_init(&sysctls->lock);
	sysctls->pages = nr_free_buffer_pages() / 32;
	if (!zalloc_cpumask_var(&sysctls->cpus, GFP_KERNEL_ACCOUNT))
		goto err_free;
	table = kcalloc(count, sizeof(*sysctls->header->ctl_table),
			GFP_KERNEL_ACCOUNT);
	if (!table)
		goto err_cpus;
	for (i = 0; i < count; i++) {
		proc_handler *handler = rlvs_sysctl_handler(specs[i].kind);
		const struct ctl_table file = {
			.procname = specs[i].name,
			.data = specs[i].shared ?: &values[i],
			.maxlen = sizeof(values[i]),
			.mode = (specs[i].host_only && !host) ||
				(specs[i].shared && !first) ? 0444 : 0644,
			.proc_handler = handler,
			.extra1 = (void *)&specs[i],
			.extra2 = handler == rlvs_sysctl_number ?
				  (void *)&caps[i] : sysctls,
		};

		values[i] = first ? specs[i].first : specs[i].others;
		caps[i] = values[i];
		if (specs[i].kind == RLVS_SYSCTL_PAIR) {
			sysctls->pair[0] = specs[i].min;
			sysctls->pair[1] = specs[i].max;
		}
		memcpy(table + i * sizeof(file), &file, sizeof(file));
	}
	sysctls->header = register_net_sysctl_sz(net, path, table, count);
	if (!sysctls->header)
		goto err_table;
	return sysctls;

err_table:
	kfree(table);
err_cpus:
	free_cpumask_var(sysctls->cpus);
err_free:
	kfree(sysctls);
	return NULL;
}

/* Waits for reads and writes of the files that are under way. May sleep. */
void rlvs_sysctl_unregister(struct rlvs_sysctls *sysctls)
{
	const struct ctl_table *table = sysctls->header->ctl_table_arg;

	unregister_net_sysctl_table(sysctls->header);
	kfree(table);
	free_cpumask_var(sysctls->cpus);
	kfree(sysctls);
}
