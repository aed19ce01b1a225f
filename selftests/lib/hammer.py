# SPDX-License-Identifier: GPL-2.0
"""Clients that open connections without pause, and what became of each.

A client opens a connection, sends eight bytes, waits until they come back, closes, and begins
anew. Many clients live in each of a few processes: what is measured is the balancer, and not
how long a client waits for a processor.
"""

import array
import collections
import errno
import mmap
import os
import select
import signal
import socket
import struct
import sys
import time
import traceback

from lib.ktap import check

# What becomes of an attempt.
ANSWERED, REFUSED, CUT, CONNECT_TIMEOUT, NO_ANSWER = range(5)
OTHER = 1000  # plus the errno

# When it began, when it was connected or 0, when it ended, all in ns of the monotonic clock; the
# client's port; the number it sent; how often the SYN was sent again; what became of it.
Attempt = collections.namedtuple("Attempt", "begun connected ended port number resent outcome")

LOOK = 0.1  # seconds between looks at the clients' time limits
FIRST_RESENT = 900_000_000  # ns after which to ask about that: it is done after a second
_RESENT = 100  # where tcpi_total_retrans is in struct tcp_info
_CUTS = {errno.ECONNRESET, errno.EPIPE}


class Hammer:
    """The clients, in processes of their own."""

    def __init__(self, where, target, clients, connect_limit, answer_limit, processes=2):
        """Limits are in seconds."""
        self._stop = mmap.mmap(-1, 1)
        self._children = []
        for number in range(processes):
            read, write = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(read)
                share = clients // processes + (number < clients % processes)
                loop = _Loop(target, share, number << 40, connect_limit, answer_limit, self._stop)
                loop.process(where, write)
            os.close(write)
            self._children.append((child, read))

    def stop(self):
        """Lets no client begin anew; returns all attempts when they have ended."""
        self._stop[0] = 1
        found = array.array("q")
        for _, pipe in self._children:
            with os.fdopen(pipe, "rb") as file:
                found.frombytes(file.read())
        for child, _ in self._children:
            _, status = os.waitpid(child, 0)
            check(status == 0, f"a process of clients has ended with status {status}")
        self._children = []
        width = len(Attempt._fields)
        return [Attempt(*found[at:at + width]) for at in range(0, len(found), width)]

    def close(self):
        """Ends the processes, if there are any."""
        for child, pipe in self._children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(pipe)
        self._children = []


class _Client:
    """An attempt that has not ended."""

    def __init__(self, sock, number):
        self.sock, self.number = sock, number
        self.begun, self.connected, self.port, self.resent = 0, 0, 0, 0


class _Loop:
    """The clients of one process."""

    def __init__(self, target, clients, first, connect_limit, answer_limit, stop):
        self._target, self._count, self._number, self._stop = target, clients, first, stop
        self._connect_limit = int(connect_limit * 1e9)
        self._answer_limit = int(answer_limit * 1e9)
        self._epoll = select.epoll()
        self._clients = {}
        self._attempts = array.array("q")

    def process(self, where, write):
        """Runs the process until it is to stop."""
        status = 1
        try:
            with where:
                self._run()
            with os.fdopen(write, "wb") as pipe:
                pipe.write(self._attempts.tobytes())
            status = 0
        except BaseException:  # pylint: disable=broad-except; nothing may escape a fork
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)

    def _run(self):
        look = time.monotonic_ns()
        while self._clients or not self._stop[0]:
            if not self._stop[0]:
                for _ in range(self._count - len(self._clients)):
                    self._open()
            ready = self._epoll.poll(LOOK if self._waits() else 0)
            now = time.monotonic_ns()
            for fd, _ in ready:
                client = self._clients[fd]
                if client.connected:
                    self._read(client, now)
                else:
                    self._write(client, now)
            if now - look > LOOK * 1e9:
                look = now
                for client in list(self._clients.values()):
                    self._check_limit(client, now)

    def _waits(self):
        """Returns whether no client has to begin: a connection can be refused at once."""
        return self._stop[0] or len(self._clients) == self._count

    def _open(self):
        self._number += 1
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        client = _Client(sock, self._number)
        self._clients[sock.fileno()] = client
        self._epoll.register(sock.fileno(), select.EPOLLOUT)
        client.begun = time.monotonic_ns()
        error = sock.connect_ex(self._target)
        client.port = sock.getsockname()[1]  # a reset may take it away
        if error not in (0, errno.EINPROGRESS):
            self._fail(client, error)

    def _write(self, client, now):
        """Sends the request if it is connected, or notes that it was refused."""
        error = client.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._fail(client, error)
            return
        client.resent = self._resent(client, now)
        client.connected = now
        try:
            client.sock.send(struct.pack("=q", client.number))
        except OSError as fault:
            self._fail(client, fault.errno)
            return
        self._epoll.modify(client.sock.fileno(), select.EPOLLIN)

    def _read(self, client, now):
        try:
            answer = client.sock.recv(16)
        except OSError as fault:
            self._fail(client, fault.errno)
            return
        if not answer:
            self._end(client, time.monotonic_ns(), CUT)
        elif answer == struct.pack("=q", client.number):
            self._end(client, now, ANSWERED)
        else:
            raise ValueError(f"{answer!r} is no answer to {client.number}")

    def _check_limit(self, client, now):
        if client.connected:
            if now - client.connected > self._answer_limit:
                self._end(client, now, NO_ANSWER)
        elif now - client.begun > self._connect_limit:
            self._end(client, now, CONNECT_TIMEOUT)

    @staticmethod
    def _resent(client, now):
        if now - client.begun < FIRST_RESENT:
            return 0
        info = client.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RESENT + 4)
        return struct.unpack_from("=I", info, _RESENT)[0]

    def _fail(self, client, error):
        """Notes a failure, at the time of now: since poll() this process may have waited for a
        processor, and a worker may have gone away meanwhile."""
        outcome = CUT if error in _CUTS else OTHER + error
        if error == errno.ECONNREFUSED:
            outcome = REFUSED
        self._end(client, time.monotonic_ns(), outcome)

    def _end(self, client, now, outcome):
        """Notes what became of it."""
        resent = client.resent if client.connected else self._resent(client, now)
        self._attempts.extend((client.begun, client.connected, now, client.port, client.number,
                               resent, outcome))
        del self._clients[client.sock.fileno()]
        client.sock.close()
