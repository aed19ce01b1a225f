// SPDX-License-Identifier: GPL-2.0
/*
 * Files of /proc/net with text that is made piece by piece. A piece is kept
 * until the reader has taken it, so that seq_file may ask for it again.
 */
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uidgid.h>
#include <net/net_namespace.h>

#include "rlvs_helpers.h"

/* One file of a namespace. */
struct rlvs_proc_file {
	struct rlvs_netns *ns;
	const struct rlvs_proc_ops *ops;
	struct proc_dir_entry *entry;
};

/* One that has it open; seq_file lets in one thread at a time. */
struct rlvs_proc_reader {
	const struct rlvs_proc_file *file;
	/* The callbacks' own. */
	void *cursor;
	/* The piece at @index: as long as @length, 0 at the end, or an error. */
	const u8 *text;
	int length;
	loff_t index;
};

static void *rlvs_proc_piece(struct rlvs_proc_reader *reader)
{
	if (reader->length < 0)
		return ERR_PTR(reader->length);
	return reader->length ? reader : NULL;
}

static void *rlvs_proc_make(struct rlvs_proc_reader *reader, loff_t index)
{
	const struct rlvs_proc_file *file = reader->file;

	reader->index = index;
	reader->length = file->ops->fill(file->ns, reader->cursor, !index,
					 &reader->text);
	return rlvs_proc_piece(reader);
}

/* seq_file goes back to the beginning or stays where it is. */
static void *rlvs_proc_start(struct seq_file *seq, loff_t *index)
{
	struct rlvs_proc_reader *reader = seq->private;

	if (!*index)
		return rlvs_proc_make(reader, 0);
	if (*index != reader->index)
		return NULL;
	return rlvs_proc_piece(reader);
}

static void *rlvs_proc_next(struct seq_file *seq, void *piece, loff_t *index)
{
	++*index;
	return rlvs_proc_make(seq->private, *index);
}

static void rlvs_proc_stop(struct seq_file *seq, void *piece)
{
}

static int rlvs_proc_show(struct seq_file *seq, void *piece)
{
	const struct rlvs_proc_reader *reader = piece;

	seq_write(seq, reader->text, reader->length);
	return 0;
}

static const struct seq_operations rlvs_proc_seq_operations = {
	.start = rlvs_proc_start,
	.next = rlvs_proc_next,
	.stop = rlvs_proc_stop,
	.show = rlvs_proc_show,
};

static int rlvs_proc_open(struct inode *inode, struct file *file)
{
	const struct rlvs_proc_file *of = pde_data(inode);
	struct rlvs_proc_reader *reader;

	reader = __seq_open_private(file, &rlvs_proc_seq_operations,
				    sizeof(*reader));
	if (!reader)
		return -ENOMEM;
	reader->file = of;
	reader->cursor = of->ops->open();
	if (reader->cursor)
		return 0;
	seq_release_private(inode, file);
	return -ENOMEM;
}

static int rlvs_proc_release(struct inode *inode, struct file *file)
{
	struct seq_file *seq = file->private_data;
	struct rlvs_proc_reader *reader = seq->private;

	reader->file->ops->close(reader->cursor);
	return seq_release_private(inode, file);
}

static const struct proc_ops rlvs_proc_file_operations = {
	.proc_open = rlvs_proc_open,
	.proc_read_iter = seq_read_iter,
	.proc_lseek = seq_lseek,
	.proc_release = rlvs_proc_release,
};

/* Waits for reads under way and closes the files that are open. May sleep. */
static void rlvs_proc_remove(struct rlvs_netns *ns, u32 count)
{
	while (count--)
		remove_proc_entry(ns->files[count].ops->name,
				  ns->net->proc_net);
	kfree(ns->files);
	ns->files = NULL;
}

/*
 * Gives private files to root of the namespace, which may be another user than
 * root of the host. A user namespace may get its root only after the network namespace
 * was made with it: until then the files are the host's. May be repeated.
 */
void rlvs_proc_own(struct rlvs_netns *ns, u32 count)
{
	kuid_t uid = make_kuid(ns->net->user_ns, 0);
	kgid_t gid = make_kgid(ns->net->user_ns, 0);
	u32 i;

	if (!uid_valid(uid) || !gid_valid(gid))
		return;
	for (i = 0; i < count; i++) {
		struct proc_dir_entry *entry;

		/* Pairs with the release in rlvs_proc_register(). */
		entry = smp_load_acquire(&ns->files[i].entry);
		if (entry && ns->files[i].ops->private)
			proc_set_user(entry, uid, gid);
	}
}

/*
 * Makes @count files. One that is private belongs to root of the namespace, and
 * no other user may read it. -ENOMEM, and none is made, when memory is short. May
 * sleep.
 */
int rlvs_proc_register(struct rlvs_netns *ns,
		       const struct rlvs_proc_ops *const *ops, u32 count)
{
	u32 i;

	ns->files = kcalloc(count, sizeof(*ns->files), GFP_KERNEL_ACCOUNT);
	if (!ns->files)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		struct rlvs_proc_file *file = &ns->files[i];
		struct proc_dir_entry *entry;

		file->ns = ns;
		file->ops = ops[i];
		entry = proc_create_data(ops[i]->name,
					 ops[i]->private ? 0440 : 0444,
					 ns->net->proc_net,
					 &rlvs_proc_file_operations, file);
		if (!entry) {
			rlvs_proc_remove(ns, i);
			return -ENOMEM;
		}
		/* rlvs_proc_own() may run before the next one is there. */
		smp_store_release(&file->entry, entry);
	}
	rlvs_proc_own(ns, count);
	return 0;
}

/*
 * Once, before what they show is freed; does nothing if they could not be made.
 * May sleep.
 */
void rlvs_proc_unregister(struct rlvs_netns *ns, u32 count)
{
	if (ns->files)
		rlvs_proc_remove(ns, count);
}
