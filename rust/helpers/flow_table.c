// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's resizable hash table with the keys of connection entries: 16
 * bytes for IPv4, 40 for IPv6. The parameters are constants so that the inline
 * functions of linux/rhashtable.h are specialised for each of the two.
 */
#include <linux/lockdep.h>
#include <linux/prefetch.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/rhashtable.h>
#include <linux/siphash.h>
#include <linux/slab.h>

#include "rlvs_helpers.h"

#define RLVS_KEY4_LEN 16
#define RLVS_KEY6_LEN 40

/* Buckets: more would not fit into what the kernel allocates as one piece. */
#define RLVS_MOST_BUCKETS BIT(27)

/* Where the last word of a key has its hash. */
#define RLVS_HASH_SHIFT 35

/*
 * Clients choose addresses and ports, so the hash is keyed, with a secret of
 * each table, and nowhere to be seen. The kernel's table calls this without
 * a pointer to itself; so a key has its hash from when it is made, and
 * here it is only mixed with the seed of the buckets, which changes when they
 * are filled unevenly: one multiplication does for what is a hash already. A bit
 * of the product depends on all lower ones of both. Keys with the same hash
 * share a bucket whatever the seed is.
 */
static __always_inline u32 rlvs_flow_hash(const void *key, u32 len, u32 seed)
{
	const u64 *last = key + len - sizeof(*last);

	return (u64)(u32)(*last >> RLVS_HASH_SHIFT) * (seed | 1) >> 16;
}

void rlvs_flow_make_secret(struct rlvs_flow_secret *secret)
{
	get_random_bytes(secret, sizeof(*secret));
}

/* The hash of @count words, by the kernel's short hash for tables. */
u32 rlvs_flow_digest(const hsiphash_key_t *secret, const u64 *words, u32 count)
{
	return hsiphash(words, count * sizeof(*words), secret);
}

/* Compares a link's key in place; not 0 if they differ. */
static __always_inline int rlvs_flow_differs(const u64 *key,
					     const struct rlvs_flow_link *link,
					     u32 words)
{
	u64 differs = 0;

	for (u32 i = 0; i < words; i++)
		differs |= key[i] ^ link->key[i];
	return differs != 0;
}

static __always_inline int rlvs_flow4_differs(struct rhashtable_compare_arg *arg,
					      const void *link)
{
	return rlvs_flow_differs(arg->key, link, RLVS_KEY4_LEN / sizeof(u64));
}

static __always_inline int rlvs_flow6_differs(struct rhashtable_compare_arg *arg,
					      const void *link)
{
	return rlvs_flow_differs(arg->key, link, RLVS_KEY6_LEN / sizeof(u64));
}

#define RLVS_FLOW_PARAMS(len, differs) {				\
	.key_len = (len),						\
	.key_offset = offsetof(struct rlvs_flow_link, key),		\
	.head_offset = offsetof(struct rlvs_flow_link, node),		\
	.min_size = 256,						\
	.max_size = RLVS_MOST_BUCKETS,					\
	.automatic_shrinking = true,					\
	.hashfn = rlvs_flow_hash,					\
	.obj_cmpfn = (differs),						\
}

static const struct rhashtable_params rlvs_flow4 =
	RLVS_FLOW_PARAMS(RLVS_KEY4_LEN, rlvs_flow4_differs);
static const struct rhashtable_params rlvs_flow6 =
	RLVS_FLOW_PARAMS(RLVS_KEY6_LEN, rlvs_flow6_differs);

/*
 * For entries of a size of which kmalloc() would waste a quarter. Without
 * SLAB_ACCOUNT: see rlvs_packet_gfp(). NULL when memory is short. May sleep.
 */
struct kmem_cache *rlvs_flow_cache_create(u32 size)
{
	return kmem_cache_create("rlvs_flow", size, 0, 0, NULL);
}

/* After the last entry of it was freed. May sleep. */
void rlvs_flow_cache_destroy(struct kmem_cache *cache)
{
	kmem_cache_destroy(cache);
}

/*
 * Memory for an entry, from @cache, or from kmalloc() if that is NULL: kfree()
 * takes either back. NULL when memory is short. Any context.
 */
void *rlvs_flow_alloc(struct kmem_cache *cache, u32 size)
{
	if (cache)
		return kmem_cache_alloc(cache, rlvs_packet_gfp());
	return kmalloc(size, rlvs_packet_gfp());
}

int rlvs_flow_table_init(struct rhashtable *table, u32 key_len)
{
	if (key_len == RLVS_KEY4_LEN)
		return rhashtable_init(table, &rlvs_flow4);
	if (key_len == RLVS_KEY6_LEN)
		return rhashtable_init(table, &rlvs_flow6);
	return -EINVAL;
}

/* Under rcu_read_lock(), which also keeps what is found. */
struct rlvs_flow_link *rlvs_flow_lookup(struct rhashtable *table, u32 key_len,
					const u64 *key)
{
	lockdep_assert(rcu_read_lock_held());
	if (key_len == RLVS_KEY4_LEN)
		return rhashtable_lookup(table, key, rlvs_flow4);
	return rhashtable_lookup(table, key, rlvs_flow6);
}

/* Fetches the bucket of a key into the caches. Under rcu_read_lock(). */
void rlvs_flow_prefetch(struct rhashtable *table, u32 key_len, const u64 *key)
{
	const struct bucket_table *tbl = rht_dereference_rcu(table->tbl, table);
	unsigned int hash;

	if (key_len == RLVS_KEY4_LEN)
		hash = rht_key_hashfn(table, tbl, key, rlvs_flow4);
	else
		hash = rht_key_hashfn(table, tbl, key, rlvs_flow6);
	prefetch(rht_bucket(tbl, hash));
}

/*
 * Under rcu_read_lock(). NULL when @link was inserted, the link that already
 * has the same key, or an error pointer: -ENOMEM, -E2BIG, -EBUSY.
 */
struct rlvs_flow_link *rlvs_flow_insert(struct rhashtable *table, u32 key_len,
					struct rlvs_flow_link *link)
{
	lockdep_assert(rcu_read_lock_held());
	if (key_len == RLVS_KEY4_LEN)
		return rhashtable_lookup_get_insert_fast(table, &link->node,
							 rlvs_flow4);
	return rhashtable_lookup_get_insert_fast(table, &link->node,
						 rlvs_flow6);
}

/* Takes @link out of @table. Returns true to the one caller that did. */
bool rlvs_flow_remove(struct rhashtable *table, u32 key_len,
		      struct rlvs_flow_link *link)
{
	if (key_len == RLVS_KEY4_LEN)
		return !rhashtable_remove_fast(table, &link->node, rlvs_flow4);
	return !rhashtable_remove_fast(table, &link->node, rlvs_flow6);
}

static struct rlvs_flow_link *rlvs_flow_of_node(struct rhash_head *node)
{
	if (rht_is_a_nulls(node))
		return NULL;
	return container_of(node, struct rlvs_flow_link, node);
}

/*
 * The first link of the bucket with this number, modulo how many there are, or
 * NULL. Under rcu_read_lock(), which also keeps what is found.
 */
struct rlvs_flow_link *rlvs_flow_first(struct rhashtable *table, u32 number)
{
	const struct bucket_table *tbl;

	lockdep_assert(rcu_read_lock_held());
	tbl = rht_dereference_rcu(table->tbl, table);
	return rlvs_flow_of_node(rht_ptr_rcu(rht_bucket(tbl, rht_bucket_index(tbl, number))));
}

/*
 * The link behind @link in its bucket, or NULL. Under rcu_read_lock(), which
 * also keeps what is found. A resize may have taken @link to another bucket.
 */
struct rlvs_flow_link *rlvs_flow_after(struct rlvs_flow_link *link)
{
	lockdep_assert(rcu_read_lock_held());
	return rlvs_flow_of_node(rcu_dereference(link->node.next));
}

/* The table may be about to get another size. */
u32 rlvs_flow_buckets(struct rhashtable *table)
{
	u32 buckets;

	rcu_read_lock();
	buckets = rht_dereference_rcu(table->tbl, table)->size;
	rcu_read_unlock();
	return buckets;
}

void rlvs_flow_walk_start(struct rhashtable_iter *iter)
{
	rhashtable_walk_start(iter);
}

/* The next link, NULL at the end. After a resize some links come again. */
struct rlvs_flow_link *rlvs_flow_walk_next(struct rhashtable_iter *iter)
{
	struct rlvs_flow_link *link;

	do {
		link = rhashtable_walk_next(iter);
	} while (link == ERR_PTR(-EAGAIN));

	return IS_ERR(link) ? NULL : link;
}

/* The link that was shown last, or the next when it is gone. */
struct rlvs_flow_link *rlvs_flow_walk_peek(struct rhashtable_iter *iter)
{
	struct rlvs_flow_link *link = rhashtable_walk_peek(iter);

	if (link == ERR_PTR(-EAGAIN))
		return rlvs_flow_walk_next(iter);
	return IS_ERR(link) ? NULL : link;
}
