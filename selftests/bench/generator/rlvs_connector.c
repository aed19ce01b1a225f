// SPDX-License-Identifier: GPL-2.0
/*
 * Opens TCP connections, accepts and closes them, and tells how long that took,
 * for selftests/bench: all in the kernel, so that what system calls cost, which
 * is much in User Mode Linux, does not hide what is to be measured.
 *
 * debugfs: rlvs_connector/run takes a struct connector_request, and gives a
 * struct connector_result when it is read by the same open file. All numbers are
 * the host's own, except within addresses.
 */
#include <linux/debugfs.h>
#include <linux/in6.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/uaccess.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "slices.h"

/* Connections in a slice. */
#define CONNECTOR_SLICE	8

struct connector_request {
	/* Connections, one after the other. */
	__u32 count;
	/* Open files: the namespace of the clients, and the listening socket that
	 * the connections come to.
	 */
	__s32 net;
	__s32 listener;
	__u32 length;
	/* What they connect to: a struct sockaddr_in or sockaddr_in6. */
	__u8 address[28];
};

struct connector_result {
	/* By the median slice. */
	__u64 nanoseconds;
	__u64 connections;
};

static DEFINE_MUTEX(connector_lock);
static struct connector_result connector_last;
static struct slices connector_slices;

/*
 * Opens and closes one connection. The client closes first; nothing of it stays
 * if its namespace keeps no sockets in TIME_WAIT.
 */
static int connector_once(const struct connector_request *request,
			  struct net *net, struct socket *listener)
{
	struct sockaddr_unsized *address = (void *)request->address;
	struct socket *client, *server = NULL;
	int error;

	error = sock_create_kern(net, listener->sk->sk_family, SOCK_STREAM,
				 IPPROTO_TCP, &client);
	if (error)
		return error;
	client->sk->sk_sndtimeo = 2 * HZ;
	error = kernel_connect(client, address, request->length, 0);
	if (!error)
		error = kernel_accept(listener, &server, 0);
	sock_release(client);
	if (server)
		sock_release(server);
	return error;
}

static int connector_run(const struct connector_request *request,
			 struct net *net, struct socket *listener)
{
	struct slices *slices = &connector_slices;
	int error = 0;

	memset(&connector_last, 0, sizeof(connector_last));
	slices->size = CONNECTOR_SLICE;
	slices_begin(slices, request->count);
	for (u32 i = 0; i < request->count && !error; i++) {
		error = connector_once(request, net, listener);
		if (!error)
			connector_last.connections++;
		slices_tick(slices, i + 1);
		cond_resched();
		if (fatal_signal_pending(current))
			error = -EINTR;
	}
	connector_last.nanoseconds = slices_median(slices, request->count);
	return error;
}

static ssize_t connector_write(struct file *file, const char __user *from,
			       size_t size, loff_t *at)
{
	struct connector_request request;
	struct socket *listener;
	struct net *net;
	int error;

	if (size != sizeof(request))
		return -EINVAL;
	if (copy_from_user(&request, from, size))
		return -EFAULT;
	if (request.length > sizeof(request.address))
		return -EINVAL;
	net = get_net_ns_by_fd(request.net);
	if (IS_ERR(net))
		return PTR_ERR(net);
	listener = sockfd_lookup(request.listener, &error);
	if (!listener) {
		put_net(net);
		return error;
	}
	mutex_lock(&connector_lock);
	error = connector_run(&request, net, listener);
	mutex_unlock(&connector_lock);
	sockfd_put(listener);
	put_net(net);
	return error ?: size;
}

static ssize_t connector_read(struct file *file, char __user *to, size_t size,
			      loff_t *at)
{
	loff_t start = 0;

	return simple_read_from_buffer(to, size, &start, &connector_last,
				       sizeof(connector_last));
}

static const struct file_operations connector_operations = {
	.owner = THIS_MODULE,
	.write = connector_write,
	.read = connector_read,
};

static struct dentry *connector_folder;

static int __init connector_init(void)
{
	connector_folder = debugfs_create_dir("rlvs_connector", NULL);
	debugfs_create_file("run", 0600, connector_folder, NULL,
			    &connector_operations);
	return 0;
}

static void __exit connector_exit(void)
{
	debugfs_remove(connector_folder);
}

module_init(connector_init);
module_exit(connector_exit);
MODULE_DESCRIPTION("TCP connections from end to end, timed, for the benchmarks of rlvs");
MODULE_LICENSE("GPL");
