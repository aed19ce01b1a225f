// SPDX-License-Identifier: GPL-2.0
/*
 * Carries bytes over a TCP connection as fast as it can, for
 * selftests/bench/measures/bulk.py. Both ends are in one process, as those of
 * connections.c are, and for the same reason.
 *
 * usage: stream NAMESPACE ADDRESS PORT LISTEN
 *
 * Listens on the port LISTEN, in the network namespace that it is started in; clients
 * are in the one that the path NAMESPACE leads to, and connect to PORT of ADDRESS.
 * For each line "BYTES WAY" it opens a connection and carries so many bytes from the
 * client if WAY is 0, and to it if that is 1. It prints a line: the nanoseconds that
 * took, and the port that the connection has come to.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* For one system call, and no more is in flight: it stays in the processor's cache with each
 * contender, however large the windows get.
 */
#define CHUNK		262144
#define WARM_UP		(16 * CHUNK)
/* When nothing moves for so many ms, something was lost. */
#define PATIENCE	10000

static char buffer[CHUNK];

/* Without an address: any of the family. */
static struct addrinfo *endpoint(int family, const char *address, const char *port)
{
	struct addrinfo hints = {
		.ai_family = family,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
	};
	struct addrinfo *found;

	if (getaddrinfo(address, port, &hints, &found))
		errx(2, "%s %s is no address and port", address ? address : "*", port);
	return found;
}

static int new_socket(const struct addrinfo *address)
{
	int fd = socket(address->ai_family, SOCK_STREAM, 0);

	if (fd < 0)
		err(1, "socket");
	return fd;
}

/* Nothing moves by itself: it waits until more can be sent or received. */
static void wait_for(int from, int to)
{
	struct pollfd ends[] = {
		{ .fd = from, .events = POLLOUT },
		{ .fd = to, .events = POLLIN },
	};

	if (poll(ends, 2, PATIENCE) <= 0)
		errx(1, "nothing moves");
}

static void carry(int from, int to, size_t bytes)
{
	size_t to_send = bytes, to_receive = bytes;

	while (to_receive) {
		ssize_t sent = 0, got;

		if (to_send)
			sent = send(from, buffer, to_send < CHUNK ? to_send : CHUNK,
				    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN)
			err(1, "send");
		if (sent > 0)
			to_send -= sent;
		got = recv(to, buffer, CHUNK, MSG_DONTWAIT);
		if (!got || (got < 0 && errno != EAGAIN))
			err(1, "recv");
		if (got > 0)
			to_receive -= got;
		else if (sent <= 0)
			wait_for(from, to);
	}
}

static unsigned int port_of(int fd)
{
	struct sockaddr_in6 here;
	socklen_t length = sizeof(here);

	/* The port is at the same place in both families. */
	if (getsockname(fd, (struct sockaddr *)&here, &length))
		err(1, "getsockname");
	return ntohs(here.sin6_port);
}

static void report(int listener, const struct addrinfo *target, size_t bytes, int way)
{
	struct timespec begun, ended;
	int client = new_socket(target);
	int server, from, to;

	if (connect(client, target->ai_addr, target->ai_addrlen))
		err(1, "connect");
	server = accept(listener, NULL, NULL);
	if (server < 0)
		err(1, "accept");
	from = way ? server : client;
	to = way ? client : server;
	carry(from, to, WARM_UP);
	clock_gettime(CLOCK_MONOTONIC, &begun);
	carry(from, to, bytes);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	printf("%lld %u\n", (ended.tv_sec - begun.tv_sec) * 1000000000LL +
	       ended.tv_nsec - begun.tv_nsec, port_of(server));
	fflush(stdout);
	close(client);
	close(server);
}

int main(int argc, char **argv)
{
	struct addrinfo *here, *target;
	int listener, namespace, way;
	size_t bytes;

	if (argc != 5)
		errx(2, "usage: stream NAMESPACE ADDRESS PORT LISTEN");
	target = endpoint(AF_UNSPEC, argv[2], argv[3]);
	here = endpoint(target->ai_family, NULL, argv[4]);
	listener = new_socket(here);
	if (bind(listener, here->ai_addr, here->ai_addrlen) || listen(listener, 8))
		err(1, "port %s", argv[4]);
	namespace = open(argv[1], O_RDONLY);
	if (namespace < 0 || setns(namespace, CLONE_NEWNET))
		err(1, "%s", argv[1]);
	printf("ready\n");
	fflush(stdout);
	while (scanf("%zu %d", &bytes, &way) == 2)
		report(listener, target, bytes, way);
	return 0;
}
