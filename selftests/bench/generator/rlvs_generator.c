// SPDX-License-Identifier: GPL-2.0
/*
 * Sends prepared packets through the host's stack and tells how long that took,
 * for selftests/bench. Packets go in as if a device had received them, or out as
 * if a socket had sent them, and end at the last hook before a socket or a
 * device: what is measured is what netfilter and routing do in between.
 *
 * debugfs: rlvs_generator/run takes a struct bench_request with its packets, and
 * gives a struct bench_result when it is read by the same open file. All numbers
 * are the host's own. In the first network namespace only; not for use beside
 * anything that matters.
 */
#include <linux/debugfs.h>
#include <linux/etherdevice.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/module.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <linux/workqueue.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>

#include "slices.h"

/* What the packets of a run are known by. */
#define BENCH_MARK	0x626e6368
#define BENCH_MOST	0x100000
/* Packets between two moments at which others may run, and in a slice. */
#define BENCH_BATCH	64
#define BENCH_SLICE	256
#define BENCH_HEADROOM	128
/* How much deeper the stack begins with each slice; comes to all places in a page. */
#define BENCH_STACK_STEP (67 * 16)

enum bench_way { BENCH_RECEIVE, BENCH_SEND };

struct bench_request {
	__u32 way;
	/* Packets in all: the prepared ones are taken in turn. */
	__u32 count;
	/* How many are prepared. Each follows with its length in 16 bits. */
	__u32 prepared;
	/* The source, or of what is sent the destination, has so many ports from
	 * the prepared one on, in turn; then the address is one higher. 0 for none.
	 */
	__u32 ports;
	/* So many connections in all, if there are ports. */
	__u32 flows;
	/* The flow to begin with, and how far the next one is. */
	__u32 first;
	__u32 stride;
	/* Processors that send at the same time, each its part of the packets. */
	__u32 processors;
	/* The device that receives. */
	char device[16];
};

struct bench_result {
	/* By the median slice; of several processors, until the last one was done. */
	__u64 nanoseconds;
	/* Packets that have come to the last hook. */
	__u64 arrived;
	/* Ports of the last one that did. */
	__u16 source;
	__u16 target;
	__u32 pad;
};

struct bench_packet {
	const u8 *bytes;
	u16 length;
	struct dst_entry *dst;
};

static DEFINE_MUTEX(bench_lock);
static struct bench_result bench_last;
static struct slices bench_slices;
static DEFINE_PER_CPU(u64, bench_arrived);

static unsigned int bench_sink(void *priv, struct sk_buff *skb,
			       const struct nf_hook_state *state)
{
	unsigned int at;

	if (skb->mark != BENCH_MARK)
		return NF_ACCEPT;
	at = skb_network_offset(skb) + (state->pf == NFPROTO_IPV4 ?
		ip_hdrlen(skb) : sizeof(struct ipv6hdr));
	if (pskb_may_pull(skb, at + 4)) {
		const __be16 *ports = (const void *)(skb->data + at);

		bench_last.source = ntohs(ports[0]);
		bench_last.target = ntohs(ports[1]);
	}
	this_cpu_inc(bench_arrived);
	consume_skb(skb);
	return NF_STOLEN;
}

#define BENCH_SINK(family, number) {					\
	.hook = bench_sink, .pf = family, .hooknum = number,		\
	.priority = INT_MAX,						\
}

static const struct nf_hook_ops bench_sinks[] = {
	BENCH_SINK(NFPROTO_IPV4, NF_INET_LOCAL_IN),
	BENCH_SINK(NFPROTO_IPV4, NF_INET_POST_ROUTING),
	BENCH_SINK(NFPROTO_IPV6, NF_INET_LOCAL_IN),
	BENCH_SINK(NFPROTO_IPV6, NF_INET_POST_ROUTING),
};

static __sum16 *bench_sum(void *transport, u8 protocol)
{
	if (protocol == IPPROTO_TCP)
		return &((struct tcphdr *)transport)->check;
	return &((struct udphdr *)transport)->check;
}

/* Makes the packet one of the flow with this number. */
static void bench_vary(struct sk_buff *skb, const struct bench_request *request,
		       u32 flow)
{
	bool four = skb->protocol == htons(ETH_P_IP);
	u8 protocol = four ? ip_hdr(skb)->protocol : ipv6_hdr(skb)->nexthdr;
	void *transport = skb->data + (four ? sizeof(struct iphdr) :
				       sizeof(struct ipv6hdr));
	__sum16 *sum = bench_sum(transport, protocol);
	__be16 *ports = transport, port;
	__be32 *address, old;
	bool sends = request->way == BENCH_SEND;

	if (four)
		address = sends ? &ip_hdr(skb)->daddr : &ip_hdr(skb)->saddr;
	else
		address = sends ? &ipv6_hdr(skb)->daddr.s6_addr32[3] :
				  &ipv6_hdr(skb)->saddr.s6_addr32[3];
	port = htons(ntohs(ports[sends]) + flow % request->ports);
	inet_proto_csum_replace2(sum, skb, ports[sends], port, false);
	ports[sends] = port;
	old = *address;
	*address = htonl(ntohl(old) + flow / request->ports);
	inet_proto_csum_replace4(sum, skb, old, *address, true);
	if (four)
		csum_replace4(&ip_hdr(skb)->check, old, *address);
}

static struct sk_buff *bench_make(const struct bench_packet *packet)
{
	struct sk_buff *skb = alloc_skb(packet->length + BENCH_HEADROOM, GFP_ATOMIC);

	if (!skb)
		return NULL;
	skb_reserve(skb, BENCH_HEADROOM);
	skb_put_data(skb, packet->bytes, packet->length);
	skb_reset_network_header(skb);
	skb->protocol = packet->bytes[0] >> 4 == 4 ? htons(ETH_P_IP) :
						     htons(ETH_P_IPV6);
	skb->mark = BENCH_MARK;
	return skb;
}

static void bench_receive(struct sk_buff *skb, struct net_device *device)
{
	skb->dev = device;
	skb->pkt_type = PACKET_HOST;
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	skb_reset_mac_header(skb);
	netif_receive_skb(skb);
}

static void bench_send(struct sk_buff *skb, struct dst_entry *dst)
{
	skb_set_transport_header(skb, skb->protocol == htons(ETH_P_IP) ?
				 sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	skb_dst_set(skb, dst_clone(dst));
	if (skb->protocol == htons(ETH_P_IP))
		ip_local_out(&init_net, NULL, skb);
	else
		ip6_local_out(&init_net, NULL, skb);
}

static struct dst_entry *bench_route4(const struct iphdr *ip)
{
	struct rtable *route = ip_route_output(&init_net, ip->daddr, ip->saddr,
					       0, 0, RT_SCOPE_UNIVERSE);

	return IS_ERR(route) ? NULL : &route->dst;
}

static struct dst_entry *bench_route6(const struct ipv6hdr *ip)
{
	struct flowi6 flow = { .daddr = ip->daddr, .saddr = ip->saddr };
	struct dst_entry *dst = ip6_route_output(&init_net, NULL, &flow);

	if (!dst->error)
		return dst;
	dst_release(dst);
	return NULL;
}

static struct dst_entry *bench_route(const u8 *bytes)
{
	return bytes[0] >> 4 == 4 ? bench_route4((const void *)bytes) :
				    bench_route6((const void *)bytes);
}

/* Where @flow's turn is @steps later. */
static u32 bench_turn(const struct bench_request *request, u32 flow, u64 steps)
{
	if (!request->ports)
		return flow;
	return (flow + steps * request->stride) % request->flows;
}

/*
 * Sends the packets from @i to before @end; how far it came. The stack begins
 * elsewhere with each slice: if it has the same place in its page as a packet
 * has, loads of one wait for stores to the other, which may be a fifth of a
 * packet's time, for one contender and not for another one.
 */
static noinline u32 bench_batch(const struct bench_request *request,
				struct bench_packet *packets,
				struct net_device *device, u32 i, u32 end)
{
	u8 *room = __builtin_alloca((u64)(i / BENCH_SLICE) * BENCH_STACK_STEP %
				    PAGE_SIZE);
	u32 flow = bench_turn(request, request->first, i);
	struct sk_buff *skb;

	OPTIMIZER_HIDE_VAR(room);
	for (; i < end; i++) {
		skb = bench_make(&packets[i % request->prepared]);
		if (!skb)
			break;
		if (request->ports) {
			bench_vary(skb, request, flow);
			flow = bench_turn(request, flow, 1);
		}
		if (request->way == BENCH_RECEIVE)
			bench_receive(skb, device);
		else
			bench_send(skb, packets[i % request->prepared].dst);
	}
	return i;
}

/* Sends the packets from @i to before @end; @slices may be NULL. */
static int bench_part(const struct bench_request *request,
		      struct bench_packet *packets, struct net_device *device,
		      u32 i, u32 end, struct slices *slices)
{
	while (i < end) {
		local_bh_disable();
		i = bench_batch(request, packets, device, i,
				min(end, i + BENCH_BATCH));
		local_bh_enable();
		if (slices)
			slices_tick(slices, i);
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return 0;
}

/* What one of several processors sends. */
struct bench_worker {
	struct work_struct work;
	const struct bench_request *request;
	struct bench_packet *packets;
	struct net_device *device;
	u32 begin;
	u32 end;
};

static void bench_work(struct work_struct *work)
{
	struct bench_worker *worker = container_of(work, struct bench_worker,
						   work);

	bench_part(worker->request, worker->packets, worker->device,
		   worker->begin, worker->end, NULL);
}

static int bench_together(const struct bench_request *request,
			  struct bench_packet *packets,
			  struct net_device *device)
{
	u32 processors = request->processors, part = request->count / processors;
	struct bench_worker *workers;

	workers = kcalloc(processors, sizeof(*workers), GFP_KERNEL);
	if (!workers)
		return -ENOMEM;
	for (u32 cpu = 0; cpu < processors; cpu++) {
		workers[cpu].request = request;
		workers[cpu].packets = packets;
		workers[cpu].device = device;
		workers[cpu].begin = cpu * part;
		workers[cpu].end = (cpu + 1) * part;
		INIT_WORK(&workers[cpu].work, bench_work);
		schedule_work_on(cpu, &workers[cpu].work);
	}
	for (u32 cpu = 0; cpu < processors; cpu++)
		flush_work(&workers[cpu].work);
	kfree(workers);
	return 0;
}

static int bench_run(const struct bench_request *request,
		     struct bench_packet *packets, struct net_device *device)
{
	u64 begun = ktime_get_ns();
	int error;

	if (request->processors > 1) {
		error = bench_together(request, packets, device);
		bench_last.nanoseconds = ktime_get_ns() - begun;
		return error;
	}
	/* A multiple of the batch, after which the clock is looked at. */
	bench_slices.size = BENCH_SLICE;
	slices_begin(&bench_slices, request->count);
	bench_slices.size = round_up(bench_slices.size, BENCH_BATCH);
	error = bench_part(request, packets, device, 0, request->count,
			   &bench_slices);
	bench_last.nanoseconds = slices_median(&bench_slices, request->count);
	return error;
}

/* Finds the prepared packets in what was written. */
static int bench_parse(const struct bench_request *request, const u8 *bytes,
		       const u8 *end, struct bench_packet *packets)
{
	for (u32 i = 0; i < request->prepared; i++) {
		u16 length;

		if (end - bytes < sizeof(length))
			return -EINVAL;
		memcpy(&length, bytes, sizeof(length));
		bytes += sizeof(length);
		if (end - bytes < length || length < sizeof(struct ipv6hdr))
			return -EINVAL;
		packets[i].bytes = bytes;
		packets[i].length = length;
		bytes += length;
		if (request->way != BENCH_SEND)
			continue;
		packets[i].dst = bench_route(packets[i].bytes);
		if (!packets[i].dst)
			return -ENETUNREACH;
	}
	return 0;
}

static int bench_do(const struct bench_request *request, const u8 *bytes,
		    const u8 *end)
{
	struct bench_packet *packets;
	struct net_device *device;
	int error, cpu;

	if (!request->prepared || request->prepared > BENCH_MOST ||
	    (request->ports && !request->flows) ||
	    request->processors > num_online_cpus())
		return -EINVAL;
	packets = kvcalloc(request->prepared, sizeof(*packets), GFP_KERNEL);
	if (!packets)
		return -ENOMEM;
	device = dev_get_by_name(&init_net, request->device);
	error = device ? bench_parse(request, bytes, end, packets) : -ENODEV;
	if (!error) {
		for_each_possible_cpu(cpu)
			per_cpu(bench_arrived, cpu) = 0;
		memset(&bench_last, 0, sizeof(bench_last));
		error = bench_run(request, packets, device);
		for_each_possible_cpu(cpu)
			bench_last.arrived += per_cpu(bench_arrived, cpu);
	}
	dev_put(device);
	for (u32 i = 0; i < request->prepared; i++)
		dst_release(packets[i].dst);
	kvfree(packets);
	return error;
}

static ssize_t bench_write(struct file *file, const char __user *from,
			   size_t size, loff_t *at)
{
	struct bench_request request;
	u8 *bytes;
	int error;

	if (size < sizeof(request) || size > BENCH_MOST)
		return -EINVAL;
	bytes = vmemdup_user(from, size);
	if (IS_ERR(bytes))
		return PTR_ERR(bytes);
	memcpy(&request, bytes, sizeof(request));
	request.device[sizeof(request.device) - 1] = '\0';
	mutex_lock(&bench_lock);
	error = bench_do(&request, bytes + sizeof(request), bytes + size);
	mutex_unlock(&bench_lock);
	kvfree(bytes);
	return error ?: size;
}

static ssize_t bench_read(struct file *file, char __user *to, size_t size,
			  loff_t *at)
{
	loff_t start = 0;

	return simple_read_from_buffer(to, size, &start, &bench_last,
				       sizeof(bench_last));
}

static const struct file_operations bench_operations = {
	.owner = THIS_MODULE,
	.write = bench_write,
	.read = bench_read,
};

static struct dentry *bench_folder;

static int __init bench_init(void)
{
	int error = nf_register_net_hooks(&init_net, bench_sinks,
					  ARRAY_SIZE(bench_sinks));

	if (error)
		return error;
	bench_folder = debugfs_create_dir("rlvs_generator", NULL);
	debugfs_create_file("run", 0600, bench_folder, NULL, &bench_operations);
	return 0;
}

static void __exit bench_exit(void)
{
	debugfs_remove(bench_folder);
	nf_unregister_net_hooks(&init_net, bench_sinks, ARRAY_SIZE(bench_sinks));
}

module_init(bench_init);
module_exit(bench_exit);
MODULE_DESCRIPTION("Packets through the host's stack, timed, for the benchmarks of rlvs");
MODULE_LICENSE("GPL");
