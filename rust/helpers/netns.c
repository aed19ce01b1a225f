// SPDX-License-Identifier: GPL-2.0
/* The module's state in each network namespace, with its periodic work. */
#include <linux/jiffies.h>
#include <linux/workqueue.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "rlvs_helpers.h"

static unsigned int rlvs_netns_id;
static const struct rlvs_netns_ops *rlvs_netns_callbacks;
static const void *rlvs_netns_shared;

static void rlvs_netns_tick(struct work_struct *work)
{
	struct rlvs_netns *ns;

	ns = container_of(to_delayed_work(work), struct rlvs_netns, tick);
	rlvs_netns_callbacks->tick(ns);
}

/* Sends a packet that has its route. In softirq, with nothing held. */
static void rlvs_netns_send_one(struct net *net, struct sk_buff *skb)
{
	rcu_read_lock();
	if (skb->protocol == htons(ETH_P_IP))
		ip_local_out(net, skb->sk, skb);
	else
		ip6_local_out(net, skb->sk, skb);
	rcu_read_unlock();
}

/* Packets that are sent at once; others then have their turn in softirq. */
#define RLVS_SEND_BATCH 64

/* Sends what could not be sent while it was made. */
static void rlvs_netns_send(struct work_struct *work)
{
	struct rlvs_netns *ns = container_of(work, struct rlvs_netns, send);
	struct sk_buff *skb;

	for (unsigned int i = 0; i < RLVS_SEND_BATCH; i++) {
		skb = skb_dequeue(&ns->unsent);
		if (!skb)
			return;
		rlvs_netns_send_one(ns->net, skb);
	}
	queue_work(system_bh_wq, work);
}

/* @skb has its route. Freed in a namespace that is ending. Any context. */
void rlvs_netns_send_later(struct net *net, struct sk_buff *skb)
{
	struct rlvs_netns *ns = net_generic(net, rlvs_netns_id);
	unsigned long flags;
	bool ending;

	spin_lock_irqsave(&ns->unsent.lock, flags);
	ending = READ_ONCE(ns->ending);
	if (!ending)
		__skb_queue_tail(&ns->unsent, skb);
	spin_unlock_irqrestore(&ns->unsent.lock, flags);
	if (ending)
		kfree_skb(skb);
	else
		queue_work(system_bh_wq, &ns->send);
}

/*
 * Hooks may still be running after it: the kernel waits for a grace period, one
 * for all namespaces that end together, before exit.
 */
static void rlvs_netns_pre_exit(struct net *net)
{
	struct rlvs_netns *ns = net_generic(net, rlvs_netns_id);

	/*
	 * All of the kernel's changes of namespaces wait meanwhile, so walks end early.
	 * A packet that is to be sent later from now on is freed, or purged below.
	 */
	WRITE_ONCE(ns->ending, true);
	/* Waits for a running tick and lets none be scheduled again. */
	disable_delayed_work_sync(&ns->tick);
	disable_work_sync(&ns->send);
	rlvs_netns_callbacks->pre_exit(ns);
	skb_queue_purge(&ns->unsent);
}

/*
 * The task that is ending a batch of namespaces, and whether something is left to
 * RCU that it has to wait for. A second task, as there is one when the making of a
 * namespace fails meanwhile, waits for what is its own as it comes.
 */
static struct task_struct *rlvs_netns_ender;
static bool rlvs_netns_needs_barrier;

static void rlvs_netns_exit(struct net *net)
{
	cmpxchg(&rlvs_netns_ender, NULL, current);
	rlvs_netns_callbacks->exit(net_generic(net, rlvs_netns_id));
}

/* After the last exit of a batch, in the same task: one barrier for all. */
static void rlvs_netns_exit_batch(struct list_head *list)
{
	bool wait;

	if (READ_ONCE(rlvs_netns_ender) != current)
		return;
	wait = rlvs_netns_needs_barrier;
	rlvs_netns_needs_barrier = false;
	/* What the next one takes with it, as cmpxchg() is fully ordered. */
	smp_store_release(&rlvs_netns_ender, NULL);
	if (wait)
		rcu_barrier();
}

/*
 * Returns true if the caller need not wait for the callbacks that it has left to
 * RCU, as that is done at the end of the batch of namespaces that it is ending.
 */
bool rlvs_netns_barrier_follows(void)
{
	if (READ_ONCE(rlvs_netns_ender) != current)
		return false;
	rlvs_netns_needs_barrier = true;
	return true;
}

static int rlvs_netns_init(struct net *net)
{
	struct rlvs_netns *ns = net_generic(net, rlvs_netns_id);
	int err;

	ns->net = net;
	INIT_DELAYED_WORK(&ns->tick, rlvs_netns_tick);
	INIT_WORK(&ns->send, rlvs_netns_send);
	skb_queue_head_init(&ns->unsent);
	err = rlvs_netns_callbacks->init(ns, rlvs_netns_shared);
	if (err && ns->state) {
		/* A file that was there for a moment may have used it. */
		rlvs_netns_pre_exit(net);
		synchronize_net();
		rlvs_netns_exit(net);
		rlvs_netns_exit_batch(NULL);
	}
	return err;
}

static struct pernet_operations rlvs_netns_operations = {
	.init = rlvs_netns_init,
	.pre_exit = rlvs_netns_pre_exit,
	.exit = rlvs_netns_exit,
	.exit_batch = rlvs_netns_exit_batch,
	.id = &rlvs_netns_id,
	.size = sizeof(struct rlvs_netns),
};

/* The number by which lsns(8) and /proc/PID/ns/net name the namespace. */
u32 rlvs_netns_inode(const struct net *net)
{
	return net->ns.inum;
}

/* The one that the host has booted with. */
bool rlvs_netns_is_first(const struct net *net)
{
	return net_eq(net, &init_net);
}

/*
 * One user at a time: -EBUSY for the second. Each namespace is made with @shared.
 * May sleep.
 */
int rlvs_netns_register(const struct rlvs_netns_ops *ops, const void *shared)
{
	int err;

	if (cmpxchg(&rlvs_netns_callbacks, NULL, ops))
		return -EBUSY;
	rlvs_netns_shared = shared;
	err = register_pernet_subsys(&rlvs_netns_operations);
	if (err)
		rlvs_netns_callbacks = NULL;
	return err;
}

void rlvs_netns_unregister(void)
{
	unregister_pernet_subsys(&rlvs_netns_operations);
	rlvs_netns_callbacks = NULL;
}

/* Returns true if the state is about to go and its periodic work is waited for. */
bool rlvs_netns_is_ending(const struct rlvs_netns *ns)
{
	return READ_ONCE(ns->ending);
}

/* @net must be alive and the operations registered. */
struct rlvs_netns *rlvs_netns_of(struct net *net)
{
	return net_generic(net, rlvs_netns_id);
}

void rlvs_netns_schedule_tick(struct rlvs_netns *ns, u32 msecs)
{
	queue_delayed_work(system_dfl_wq, &ns->tick,
			   msecs_to_jiffies(msecs));
}
