// SPDX-License-Identifier: GPL-2.0
/*
 * Opens, uses and closes TCP connections over IPv4 as fast as it can, and serves
 * them as well, for selftests/bench/measures/whole.py. Both ends are in one
 * process, which makes as few system calls as it can: where those are slow, as in
 * User Mode Linux, they would hide what is looked for.
 *
 * A client connects, sends eight bytes, waits for as many and for the end, and
 * closes. The server closes after its answer, which tells its listening socket.
 *
 * usage: connections NAMESPACE ADDRESS PORT...
 *
 * Listens on each port, in the network namespace that it is started in; clients
 * are in the one that the path NAMESPACE leads to, and connect to ADDRESS. For each
 * line "COUNT FIRST LAST" it opens so many connections to the ports from FIRST to
 * LAST, in turn, and prints a line: the nanoseconds that took, the port that the
 * first one has come to, and how many each listening socket has served.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define AT_ONCE		32
#define MOST_LISTENERS	64
/* A run that takes longer than so many seconds will never end. */
#define PATIENCE	60

static struct {
	int fd;
	unsigned long served;
} listeners[MOST_LISTENERS];

static unsigned int listener_count;
static int queue;
static struct sockaddr_in target = { .sin_family = AF_INET };
/* Where the first connection of a run has come to; 0 before it has. */
static unsigned int came_to;

static void open_listener(unsigned int port)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = listener_count };
	struct sockaddr_in here = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
	};
	int yes = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || listener_count == MOST_LISTENERS)
		errx(1, "cannot have another listening socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *)&here, sizeof(here)) || listen(fd, 4096))
		err(1, "port %u", port);
	if (epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event))
		err(1, "epoll_ctl");
	listeners[listener_count++].fd = fd;
}

static int begin_client(unsigned int port)
{
	static const __u64 request = 1;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		err(1, "socket");
	target.sin_port = htons(port);
	if (connect(fd, (struct sockaddr *)&target, sizeof(target)))
		err(1, "connect");
	if (send(fd, &request, sizeof(request), MSG_NOSIGNAL) != sizeof(request))
		err(1, "request");
	return fd;
}

static void end_client(int fd)
{
	/* More than comes: so that it waits for the end as well. */
	__u64 answer[2];
	ssize_t got = recv(fd, answer, sizeof(answer), MSG_WAITALL);

	if (got != sizeof(answer[0]) || answer[0] >= listener_count)
		err(1, "a client got %zd bytes", got);
	listeners[answer[0]].served++;
	close(fd);
}

/* Serves what was accepted, and tells whether that was one of the clients. */
static int serve(int fd, __u64 listener)
{
	struct sockaddr_in here;
	socklen_t length = sizeof(here);
	__u64 request;
	ssize_t got = recv(fd, &request, sizeof(request), 0);

	if (got == sizeof(request)) {
		if (!came_to && !getsockname(fd, (struct sockaddr *)&here, &length))
			came_to = ntohs(here.sin_port);
		if (send(fd, &listener, sizeof(listener), MSG_NOSIGNAL) != sizeof(listener))
			err(1, "answer");
	} else if (got > 0 || (got < 0 && errno != ECONNRESET)) {
		err(1, "the server got %zd bytes", got);
	}
	close(fd);
	/* A proxy that looks whether somebody is there sends nothing. */
	return got == sizeof(request);
}

static void serve_all(unsigned int count)
{
	struct epoll_event events[MOST_LISTENERS];
	int ready, i, fd;

	while (count) {
		ready = epoll_wait(queue, events, MOST_LISTENERS, -1);
		if (ready < 0)
			err(1, "epoll_wait");
		for (i = 0; i < ready; i++) {
			unsigned int number = events[i].data.u32;

			while (count && (fd = accept(listeners[number].fd, NULL, NULL)) >= 0)
				count -= serve(fd, number);
		}
	}
}

static void run(unsigned long count, unsigned int first, unsigned int last)
{
	unsigned int port = first;
	int fds[AT_ONCE];
	unsigned int i, now;

	for (; count; count -= now) {
		now = count < AT_ONCE ? count : AT_ONCE;
		for (i = 0; i < now; i++) {
			fds[i] = begin_client(port);
			port = port < last ? port + 1 : first;
		}
		serve_all(now);
		for (i = 0; i < now; i++)
			end_client(fds[i]);
	}
}

static void report(unsigned long count, unsigned int first, unsigned int last)
{
	struct timespec begun, ended;
	unsigned int i;

	came_to = 0;
	alarm(PATIENCE);
	clock_gettime(CLOCK_MONOTONIC, &begun);
	run(count, first, last);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	alarm(0);
	printf("%lld %u", (ended.tv_sec - begun.tv_sec) * 1000000000LL +
	       ended.tv_nsec - begun.tv_nsec, came_to);
	for (i = 0; i < listener_count; i++) {
		printf(" %lu", listeners[i].served);
		listeners[i].served = 0;
	}
	printf("\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	unsigned int first, last;
	unsigned long count;
	int namespace, i;

	if (argc < 4)
		errx(2, "usage: connections NAMESPACE ADDRESS PORT...");
	if (inet_pton(AF_INET, argv[2], &target.sin_addr) != 1)
		errx(2, "%s is no address", argv[2]);
	queue = epoll_create1(0);
	for (i = 3; i < argc; i++)
		open_listener(strtoul(argv[i], NULL, 10));
	namespace = open(argv[1], O_RDONLY);
	if (namespace < 0 || setns(namespace, CLONE_NEWNET))
		err(1, "%s", argv[1]);
	printf("ready\n");
	fflush(stdout);
	while (scanf("%lu %u %u", &count, &first, &last) == 3)
		report(count, first, last);
	return 0;
}
