/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The C side of the crate rlvs_kext: what the kernel offers only as macros,
 * inline functions or structures with a layout that depends on the
 * configuration. One file for each idea; each function does one step and
 * leaves every decision to its caller. This is the table of their prototypes, in
 * one file as bindgen reads it as a whole. Addresses are octets in network byte
 * order, ports are numbers in host byte order unless a name says otherwise.
 */
#ifndef _RLVS_HELPERS_H
#define _RLVS_HELPERS_H

#include <linux/gfp.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <linux/preempt.h>
#include <linux/rhashtable.h>
#include <linux/siphash.h>
#include <linux/skbuff.h>
#include <linux/sysctl.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <net/genetlink.h>

/* barrier.c */
void rlvs_smp_mb(void);

/* bh.c */
struct rlvs_bh {
	/* From a per-CPU pointer to what is this CPU's. */
	unsigned long percpu_offset;
	/* They were on before. */
	bool enable;
};

struct rlvs_bh rlvs_local_bh_disable(void);
void rlvs_local_bh_enable(void);

/* clock.c */
u32 rlvs_ticks(u32 seconds);

/* percpu.c */
u64 __percpu *rlvs_percpu_alloc(u32 words);
void rlvs_percpu_free(u64 __percpu *base);
u64 rlvs_percpu_sum(u64 __percpu *base, u32 word);
u64 rlvs_percpu_of(u64 __percpu *base, u32 word, u32 cpu);
#ifdef CONFIG_PREEMPT_RT
void rlvs_percpu_add(u64 __percpu *base, u32 word, u64 value);
#endif
u32 rlvs_percpu_cpus(void);
bool rlvs_percpu_is_possible(u32 cpu);

/* flow_table.c: @key_len is 16 (IPv4) or 40 (IPv6). */
struct rlvs_flow_link {
	struct rhash_head node;
	u64 key[];
};

/* What the hashes of a table are made with. */
#define RLVS_FLOW_NUMBERS 7

struct rlvs_flow_secret {
	hsiphash_key_t key;
	u64 numbers[RLVS_FLOW_NUMBERS];
};

void rlvs_flow_make_secret(struct rlvs_flow_secret *secret);
u32 rlvs_flow_digest(const hsiphash_key_t *secret, const u64 *words,
		     u32 count);
struct kmem_cache *rlvs_flow_cache_create(u32 size);
void rlvs_flow_cache_destroy(struct kmem_cache *cache);
void *rlvs_flow_alloc(struct kmem_cache *cache, u32 size);
int rlvs_flow_table_init(struct rhashtable *table, u32 key_len);
struct rlvs_flow_link *rlvs_flow_lookup(struct rhashtable *table, u32 key_len,
					const u64 *key);
void rlvs_flow_prefetch(struct rhashtable *table, u32 key_len, const u64 *key);
struct rlvs_flow_link *rlvs_flow_insert(struct rhashtable *table, u32 key_len,
					struct rlvs_flow_link *link);
bool rlvs_flow_remove(struct rhashtable *table, u32 key_len,
		      struct rlvs_flow_link *link);
struct rlvs_flow_link *rlvs_flow_first(struct rhashtable *table, u32 number);
struct rlvs_flow_link *rlvs_flow_after(struct rlvs_flow_link *link);
u32 rlvs_flow_buckets(struct rhashtable *table);
void rlvs_flow_walk_start(struct rhashtable_iter *iter);
struct rlvs_flow_link *rlvs_flow_walk_next(struct rhashtable_iter *iter);
struct rlvs_flow_link *rlvs_flow_walk_peek(struct rhashtable_iter *iter);

/* flow_total.c */
int rlvs_flow_part_add(int by);

/* skbuff.c: offsets and lengths are bytes from the network header on. */
enum rlvs_ip_summed {
	RLVS_IP_SUMMED_OTHER,
	RLVS_IP_SUMMED_PARTIAL,
	RLVS_IP_SUMMED_COMPLETE,
};

/* A field of 16 bits, in a union without a name. */
enum rlvs_skb_offset {
	RLVS_SKB_NETWORK_HEADER = offsetof(struct sk_buff, network_header),
};

bool rlvs_skb_copy(const struct sk_buff *skb, u32 offset, u8 *to, u32 len);
struct rlvs_writable {
	/* NULL if it is not. */
	u8 *data;
	enum rlvs_ip_summed summed;
};

struct rlvs_writable rlvs_skb_writable(struct sk_buff *skb, u32 len,
				       u32 offset);
void rlvs_skb_adjust_complete(struct sk_buff *skb, u16 delta);
bool rlvs_skb_is_gso(const struct sk_buff *skb);
int rlvs_skb_complete_checksum(struct sk_buff *skb);
bool rlvs_skb_has_receiver(struct sk_buff *skb);

/*
 * Where a packet comes in, as sockets are looked up: by a device, or by a VRF,
 * then with the port of the VRF that it came in by.
 */
struct rlvs_device {
	int index;
	int vrf_port;
};

/* refusal.c: known by it is what answers a packet that is refused. */
struct rlvs_mark;

enum rlvs_mark_field {
	/* What skb->_nfct has besides a pointer. */
	RLVS_MARK_INFO = 7,
	/* In a union without a name. */
	RLVS_MARK_IIF = offsetof(struct sk_buff, skb_iif),
};

/* In skb->skb_iif, where no device has this number: see rlvs_mark_take_off(). */
#define RLVS_MARK_AGAIN (-1)

struct rlvs_mark *rlvs_mark_alloc(struct net *net);
void rlvs_mark_free(struct rlvs_mark *mark);
unsigned long rlvs_mark_put_on(struct sk_buff *skb, struct rlvs_mark *mark);
void rlvs_mark_restore(struct sk_buff *skb, unsigned long before);
void rlvs_mark_give(struct sk_buff *skb, struct rlvs_mark *mark);
void rlvs_mark_take_off(struct sk_buff *skb, const struct nf_hook_state *state,
			struct rlvs_mark *mark);

/* netfilter.c */
struct rlvs_hook {
	nf_hookfn *run;
	int priority;
	u8 pf;
	u8 hooknum;
};

/* Hooks that are registered. */
struct rlvs_hooks;

struct rlvs_hooks *rlvs_hooks_register(struct net *net,
				       const struct rlvs_hook *hooks, u32 count,
				       void *priv);
void rlvs_hooks_unregister(struct net *net, struct rlvs_hooks *registered);
void rlvs_hooks_free(struct rlvs_hooks *registered);
void rlvs_hooks_free_later(struct rlvs_hooks *registered);

/* As large as a register. */
struct rlvs_concern {
	/* The VRF's index; 0 outside of VRFs. */
	int vrf;
	/* The packet is to be handled at this hook. */
	bool here;
};

struct rlvs_concern rlvs_hook_concerns(const struct sk_buff *skb,
				       const struct nf_hook_state *state);
bool rlvs_hook_for_host(const struct sk_buff *skb,
			const struct nf_hook_state *state);
struct rlvs_device rlvs_hook_input_device(const struct nf_hook_state *state);
void rlvs_hook_reset(struct sk_buff *skb, const struct nf_hook_state *state,
		     struct rlvs_mark *mark);
void rlvs_hook_port_unreachable(struct sk_buff *skb,
				const struct nf_hook_state *state,
				struct rlvs_mark *mark);
void rlvs_hook_answer(const struct sk_buff *skb,
		      const struct nf_hook_state *state, u8 protocol,
		      const u8 *payload, u16 len, struct rlvs_mark *mark);
int rlvs_hook_reroute(struct sk_buff *skb, const struct nf_hook_state *state);
int rlvs_hook_send_segments(struct sk_buff *skb,
			    const struct nf_hook_state *state);
void rlvs_hook_consume(struct sk_buff *skb);

/* conntrack.c */
struct rlvs_ends;

/* 4 or 16 octets of an address. */
struct rlvs_peer {
	u8 address[16];
	u16 port;
};

bool rlvs_ct_is_active(const struct net *net, bool ipv6);
void rlvs_ct_track(struct sk_buff *skb, const struct nf_hook_state *state);
bool rlvs_ct_begins_late(const struct sk_buff *skb,
			 const struct nf_hook_state *state);
bool rlvs_ct_is_synproxy(const struct sk_buff *skb);
bool rlvs_ct_other_peer(const struct sk_buff *skb, struct rlvs_peer *peer);
bool rlvs_ct_peer(struct net *net, const struct rlvs_ends *ends,
		  struct rlvs_peer *peer);
bool rlvs_ct_shift(struct net *net, const struct rlvs_ends *ends, u32 *sequence,
		   u32 *ack);

/* replay.c */

/* Where a packet was seen. */
struct rlvs_replay_place {
	u64 net_cookie;
	int device;
};

struct sk_buff *rlvs_replay_copy(const struct sk_buff *skb);
struct rlvs_replay_place rlvs_replay_place(const struct nf_hook_state *state);
int rlvs_replay_receive(struct net *net, struct sk_buff *skb, int ifindex);
int rlvs_replay_send(struct net *net, struct sk_buff *skb, int ifindex);

/* replay_sender.c */
bool rlvs_replay_set_sender(struct net *net, struct sk_buff *skb, int ifindex);

/* net.c */
bool rlvs_has_ipv6(void);
bool rlvs_is_local4(struct net *net, const u8 *address);
bool rlvs_is_local6(struct net *net, const u8 *address);
bool rlvs_is_vrf_local4(struct net *net, const u8 *address);
bool rlvs_is_vrf_local6(struct net *net, const u8 *address);
bool rlvs_route_localnet(struct net *net);

/* sock.c */
/* In this order: the more of a connection there is, the greater. */
enum rlvs_tcp_socket {
	RLVS_TCP_SOCKET_NONE,
	RLVS_TCP_SOCKET_TIME_WAIT,
	RLVS_TCP_SOCKET_OPENING,
	RLVS_TCP_SOCKET_LIVE,
};

/* The addresses have 4 or 16 octets. */
struct rlvs_ends {
	const u8 *local;
	const u8 *remote;
	u16 local_port;
	u16 remote_port;
	bool ipv6;
};

/* How far a connection has come; see rust/core/connection/window.rs. */
struct rlvs_tcp_window {
	u32 receive_next;
	u32 receive_window;
	u32 receive_past;
	u32 send_unacknowledged;
	u32 send_next;
	u32 send_past;
};

enum rlvs_tcp_socket rlvs_tcp_socket(struct net *net,
				     const struct rlvs_ends *ends, int ifindex);
bool rlvs_tcp_window(struct net *net, const struct rlvs_ends *ends, int ifindex,
		     struct rlvs_tcp_window *window);
void rlvs_tcp_abort(struct net *net, const struct rlvs_ends *ends, int zone);

/* A socket that waits for new connections or datagrams, and how much waits there. */
struct rlvs_listener {
	/* TCP: connections that wait for accept(2). UDP: bytes. */
	u32 queued;
	/* TCP: handshakes under way. */
	u32 handshakes;
	/* What queued must not exceed. */
	u32 limit;
	/* Whose socket it is: user.c. */
	u32 user;
};

bool rlvs_queue(struct net *net, const struct rlvs_ends *ends,
		struct rlvs_device device, bool udp,
		struct rlvs_listener *found);
bool rlvs_any_queue(struct net *net, const struct rlvs_ends *ends, bool udp,
		    struct rlvs_listener *found);
bool rlvs_share_socket(struct net *net, const struct rlvs_ends *one,
		       const struct rlvs_ends *other, struct rlvs_device device,
		       bool udp);
bool rlvs_udp_connected(struct net *net, const struct rlvs_ends *ends,
			struct rlvs_device device);

/* For C alone: sockets that the caller gives back, or that RCU keeps. */
#ifndef __BINDGEN__
struct sock *rlvs_find_at(struct net *net, const struct rlvs_ends *ends,
			  struct rlvs_device device);

/*
 * What @find finds for a connection, or else for the peer that source NAT has
 * made of @ends->remote on the way in.
 */
static __always_inline struct sock *
rlvs_find_translated(struct net *net, const struct rlvs_ends *ends, int ifindex,
		     struct sock *(*find)(struct net *net,
					  const struct rlvs_ends *ends,
					  int ifindex))
{
	struct sock *sk = find(net, ends, ifindex);
	struct rlvs_ends translated = *ends;
	struct rlvs_peer peer;

	if (sk || !rlvs_ct_peer(net, ends, &peer))
		return sk;
	translated.remote = peer.address;
	translated.remote_port = peer.port;
	return find(net, &translated, ifindex);
}

enum rlvs_tcp_socket rlvs_tcp_kind(struct sock *sk);
struct sock *rlvs_find_listener(struct net *net, const struct rlvs_ends *ends,
				struct rlvs_device device);
struct sock *rlvs_find_bound(struct net *net, const struct rlvs_ends *ends,
			     struct rlvs_device device);
void rlvs_queue_of_listener(const struct sock *sk, struct rlvs_listener *found);
enum rlvs_tcp_socket rlvs_tcp_kind_of(const struct sock *sk);

/* anywhere.c */
struct sock *rlvs_find_anywhere(struct net *net, const struct rlvs_ends *ends);
struct sock *rlvs_find_waiting_anywhere(struct net *net,
					const struct rlvs_ends *ends, bool udp);
#endif

/* user.c */
u32 rlvs_user_of(const struct net *net, u32 number);
u32 rlvs_user_number(const struct net *net, u32 user);

/* zone.c: indices of devices; 0 for none. */
int rlvs_hook_vrf(const struct nf_hook_state *state);
int rlvs_hook_link(const struct sk_buff *skb,
		   const struct nf_hook_state *state);
enum rlvs_tcp_socket rlvs_tcp_socket_in(struct net *net,
					const struct rlvs_ends *ends, int zone);
bool rlvs_has_vrf(struct net *net);
#ifndef __BINDGEN__
struct sock *rlvs_find_in_zone(struct net *net, const struct rlvs_ends *ends,
			       int zone);
bool rlvs_is_in_vrf(struct net *net, const struct sock *sk);
#endif

/* local.c */
/* What a packet is routed by, besides its ends. */
struct rlvs_routing {
	unsigned int mark;
	/* IPv4: the type of service. IPv6: the flow information, __be32. */
	unsigned int info;
	/* 0: what this host sends to itself. */
	int iif;
};

enum rlvs_route {
	/* The packet has none yet. */
	RLVS_ROUTE_NONE,
	RLVS_ROUTE_HERE,
	RLVS_ROUTE_ELSEWHERE,
};

struct rlvs_routing rlvs_hook_routing(const struct sk_buff *skb,
				      const struct nf_hook_state *state);
enum rlvs_route rlvs_hook_route(const struct sk_buff *skb,
				const struct nf_hook_state *state);
bool rlvs_hook_in_group_frame(const struct sk_buff *skb,
			      const struct nf_hook_state *state);
bool rlvs_hook_to_group(const struct sk_buff *skb,
			const struct nf_hook_state *state,
			const struct rlvs_ends *ends);
bool rlvs_routes_here(struct net *net, const struct rlvs_routing *by,
		      const struct rlvs_ends *ends, u8 protocol);
bool rlvs_routes_here_marked(struct net *net, const struct rlvs_routing *by,
			     const struct rlvs_ends *ends, u8 protocol);
bool rlvs_has_address6(struct net *net, const u8 *address);

/* sk_assign.c */
enum rlvs_steer_socket {
	RLVS_STEER_SOCKET_NONE,
	RLVS_STEER_SOCKET_TIME_WAIT,
	/* Of a connection, of a handshake, or what a program or rule has chosen. */
	RLVS_STEER_SOCKET_OTHER,
};

/* What a listening socket does with a SYN. */
enum rlvs_syn {
	/* It remembers the handshake. */
	RLVS_SYN_REMEMBERED,
	/* It answers with a cookie and remembers nothing. */
	RLVS_SYN_COOKIE,
	RLVS_SYN_DROPPED,
};

struct rlvs_steer_listener {
	struct rlvs_listener queue;
	enum rlvs_syn syn;
};

struct rlvs_device rlvs_steer_device(const struct sk_buff *skb,
				     const struct nf_hook_state *state);
enum rlvs_steer_socket rlvs_steer_socket(const struct sk_buff *skb);
enum rlvs_steer_socket rlvs_steer_demux(struct sk_buff *skb, struct net *net,
					const struct rlvs_ends *ends,
					struct rlvs_device device);
bool rlvs_steer_checksum(struct sk_buff *skb, const struct nf_hook_state *state,
			 u32 offset);
bool rlvs_steer_reopens(struct sk_buff *skb, struct net *net, u32 offset);
bool rlvs_steer_is_cookie(const struct sk_buff *skb,
			  const struct nf_hook_state *state, u32 offset);
struct sock *rlvs_steer_listener(struct net *net, const struct rlvs_ends *ends,
				 const struct rlvs_ends *at,
				 struct rlvs_device device,
				 struct rlvs_steer_listener *found);
bool rlvs_steer_sent_cookies(const struct sock *sk);
void rlvs_steer_give(struct sk_buff *skb, struct sock *sk);

/* sysctl.c */
enum rlvs_sysctl_kind {
	RLVS_SYSCTL_NUMBER,
	RLVS_SYSCTL_SECONDS,
	RLVS_SYSCTL_POWER_OF_2,
	/* Two numbers. No two files have one of these kinds and the next. */
	RLVS_SYSCTL_PAIR,
	/* By default, a share of the memory. */
	RLVS_SYSCTL_PAGES,
	RLVS_SYSCTL_CPUS,
};

struct rlvs_sysctl {
	const char *name;
	enum rlvs_sysctl_kind kind;
	/* The default in the first network namespace, and in others. */
	int first;
	int others;
	/* The values that it takes; of a pair, the default. */
	int min;
	int max;
	/* Only the host's administrator may set more than the cap. */
	bool capped;
	/* Namespaces that are not of the host's user namespace only read it. */
	bool host_only;
	/*
	 * One value of all namespaces, in place of one of each, or NULL. Only
	 * the host's administrator may set it, in the first namespace.
	 */
	int *shared;
};

struct rlvs_sysctls;

struct rlvs_sysctls *rlvs_sysctl_register(struct net *net, const char *path,
					  const struct rlvs_sysctl *specs,
					  u32 count, int *values, int *caps);
void rlvs_sysctl_unregister(struct rlvs_sysctls *sysctls);

/* ratelimit.c */
bool rlvs_log_passes(const struct net *net);

/* memory.c */
u64 rlvs_available_pages(void);
u64 rlvs_all_pages(void);
bool rlvs_packet_is_charged(void);
#ifndef __BINDGEN__
/*
 * Returns the flags of what a packet leaves behind. A process is charged for it:
 * the one that is about to send the packet. None is for one that comes by the
 * network, and the flag would only cost memory, as each entry then has a place
 * for a name. Any context.
 */
static inline gfp_t rlvs_packet_gfp(void)
{
	return GFP_ATOMIC | (in_task() ? __GFP_ACCOUNT : 0);
}
#endif

/* random.c */
u32 rlvs_random_u32(void);

/* rcu.c */
/* A struct rcu_gp_oldstate. */
struct rlvs_grace {
	unsigned long state[2];
};

void rlvs_rcu_now(struct rlvs_grace *now);
void rlvs_rcu_wait_since(struct rlvs_grace *then);
void rlvs_synchronize_rcu_expedited(void);

/* task.c */
void rlvs_cond_resched(void);

/* netns.c */
struct rlvs_netns {
	struct net *net;
	void *state;
	/* What takes long is to give up, and nothing is put into @unsent any more. */
	bool ending;
	/* Files of /proc/net: proc.c. */
	struct rlvs_proc_file *files;
	struct delayed_work tick;
	struct work_struct send;
	struct sk_buff_head unsent;
};

struct rlvs_netns_ops {
	int (*init)(struct rlvs_netns *ns, const void *shared);
	void (*pre_exit)(struct rlvs_netns *ns);
	void (*exit)(struct rlvs_netns *ns);
	void (*tick)(struct rlvs_netns *ns);
};

int rlvs_netns_register(const struct rlvs_netns_ops *ops, const void *shared);
void rlvs_netns_unregister(void);
bool rlvs_netns_barrier_follows(void);
void rlvs_netns_schedule_tick(struct rlvs_netns *ns, u32 msecs);
bool rlvs_netns_is_ending(const struct rlvs_netns *ns);
void rlvs_netns_send_later(struct net *net, struct sk_buff *skb);
u32 rlvs_netns_inode(const struct net *net);
bool rlvs_netns_is_first(const struct net *net);

/* proc.c: a piece of text is as long as fill() says; 0 at the end. */
struct rlvs_proc_ops {
	const char *name;
	/* Only root of the namespace may read it. */
	bool private;
	void *(*open)(void);
	int (*fill)(struct rlvs_netns *ns, void *cursor, bool first,
		    const u8 **text);
	void (*close)(void *cursor);
};

int rlvs_proc_register(struct rlvs_netns *ns,
		       const struct rlvs_proc_ops *const *ops, u32 count);
void rlvs_proc_own(struct rlvs_netns *ns, u32 count);
void rlvs_proc_unregister(struct rlvs_netns *ns, u32 count);

/* genetlink.c */
struct rlvs_genl_ops {
	int (*doit)(struct rlvs_netns *ns, struct sk_buff *skb,
		    struct genl_info *info, u8 cmd);
	int (*start)(struct netlink_callback *cb);
	int (*dumpit)(struct rlvs_netns *ns, struct sk_buff *skb,
		      struct netlink_callback *cb, u8 cmd);
	void (*done)(struct netlink_callback *cb);
};

struct rlvs_netns *rlvs_netns_of(struct net *net);
int rlvs_genl_register(const struct rlvs_genl_ops *ops);
void rlvs_genl_unregister(void);
struct nlattr *rlvs_genl_attr(const struct genl_info *info, u16 attribute);
struct nlattr *rlvs_genl_dump_attr(struct netlink_callback *cb, u16 attribute);
void **rlvs_genl_dump_state(struct netlink_callback *cb);
struct netlink_ext_ack *rlvs_genl_dump_extack(struct netlink_callback *cb);
struct netlink_ext_ack *rlvs_genl_extack(struct genl_info *info);

/* What attributes that are nested in another one are of. */
enum rlvs_nest {
	RLVS_NEST_SERVICE,
	RLVS_NEST_IPVS_SERVICE,
	RLVS_NEST_IPVS_DEST,
	RLVS_NEST_IPVS_DAEMON,
};

/* One more than the highest type of such an attribute. */
#define RLVS_NESTED 16

int rlvs_genl_parse(struct nlattr *nest, enum rlvs_nest which,
		    struct nlattr **table, struct netlink_ext_ack *extack);
struct sk_buff *rlvs_genl_message_new(void);
void rlvs_genl_message_free(struct sk_buff *skb);
void *rlvs_genl_put_reply(struct sk_buff *skb, struct genl_info *info, u8 cmd);
void rlvs_genl_dump_generation(struct netlink_callback *cb, u32 generation);
void *rlvs_genl_put_dump(struct sk_buff *skb, struct netlink_callback *cb,
			 u8 cmd);
void rlvs_genl_end(struct sk_buff *skb, void *header);
void rlvs_genl_cancel(struct sk_buff *skb, void *header);
int rlvs_genl_reply(struct sk_buff *skb, struct genl_info *info);
struct nlattr *rlvs_nla_nest_start(struct sk_buff *skb, u16 attribute,
				   bool marked);
void rlvs_nla_nest_end(struct sk_buff *skb, struct nlattr *nest);
int rlvs_nla_put_u64(struct sk_buff *skb, u16 attribute, u64 value, u16 pad);
int rlvs_nla_put_uint(struct sk_buff *skb, u16 attribute, u64 value);
void rlvs_extack_miss(struct netlink_ext_ack *extack, u16 attribute);
u32 rlvs_genl_join_count(void);
bool rlvs_genl_has_listeners(struct net *net);
struct sk_buff *rlvs_genl_notice_new(u32 payload);
void *rlvs_genl_put_notice(struct sk_buff *skb, u8 cmd);
void rlvs_genl_lost(struct net *net);
int rlvs_genl_multicast(struct net *net, struct sk_buff *skb);

/* ipvs.c */
enum {
	/* The longest timeout that ip_vs takes, in seconds. */
	RLVS_IPVS_MOST_SECONDS = INT_MAX / HZ,
};

int rlvs_ipvs_register(void);
void rlvs_ipvs_unregister(void);
int rlvs_ipvs_open(const struct rlvs_genl_ops *ops);
void rlvs_ipvs_close(void);
struct nlattr *rlvs_ipvs_attr(const struct genl_info *info, u16 attribute);
struct nlattr *rlvs_ipvs_dump_attr(struct netlink_callback *cb, u16 attribute);
int rlvs_ipvs_parse(struct nlattr *nest, enum rlvs_nest which,
		    struct nlattr **table, struct netlink_ext_ack *extack);

#endif /* _RLVS_HELPERS_H */
