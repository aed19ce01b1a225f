# SPDX-License-Identifier: GPL-2.0
"""Clients: conversations with the servers of lib/servers.py.

Their sockets are connected, UDP ones too: an answer that does not come from the
very address and port that was asked is not received. So every answer also proves
that replies were rewritten.
"""

import collections
import os
import select
import socket
import time

from lib.ktap import Failure, check, equal, seconds

RESET_AT_CLOSE = b"\1\0\0\0\0\0\0\0"  # struct linger: on, zero seconds


class Conversation:
    """A TCP connection, SCTP association or UDP socket, with whatever answers at the other end."""

    def __init__(self, where, flow, port, address=None, source=None, source_port=0,
                 limit=10.0, reuse=False, options=()):
        self.flow = flow
        self.target = (address or flow.vip, port)
        with where:
            self.sock = flow.socket()
        self.sock.settimeout(seconds(limit))
        for option in options:
            self.sock.setsockopt(*option)
        if reuse:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if source or source_port:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.sock.bind((source or flow.any, source_port))
        begun = time.monotonic()
        try:
            self.sock.connect(self.target)
        except OSError:
            self.sock.close()
            raise
        self.connect_time = time.monotonic() - begun
        address, port = self.sock.getsockname()[:2]
        self.name = address.partition("%")[0], port  # a link-local one is shown with its link
        self.port = None  # the port of the server that answered
        self.local = None  # the address on which it was reached
        try:
            if flow.protocol != "udp":
                self._meet(self._line())
            else:
                self.say(b"who are you")
        except Failure:
            self.sock.close()
            raise

    def _line(self):
        line = b""
        while not line.endswith(b"\n"):
            byte = self.sock.recv(1)
            check(byte, f"{self.target}: closed before the server said who it is")
            line += byte
        return line

    def _meet(self, line):
        port, peer, peer_port, local = line.decode("ascii").split()
        if self.flow.protocol == "sctp" and self.name[0] == self.flow.any:
            self.name = (peer, self.name[1])  # a socket that is not bound has every address
        equal((peer, int(peer_port)), self.name, "the client address that the server saw")
        if self.port is not None:
            equal((int(port), local), (self.port, self.local), "the server of this conversation")
        self.port, self.local = int(port), local

    def say(self, data):
        """Sends data and checks that it comes back whole."""
        if self.flow.protocol != "udp":
            self._say_stream(data)
            return
        self.sock.send(data)
        try:
            answer = self.sock.recv(65536)
        except TimeoutError:
            raise Failure(f"no answer from {self.target} to {self.name}") from None
        line, _, echo = answer.partition(b"\n")
        self._meet(line)
        check(echo == data, f"{len(data)} bytes were sent, other {len(echo)} came back")

    def _say_stream(self, data):
        """Sends while it reads, so that large amounts fill both directions."""
        unsent, received = memoryview(data), bytearray()
        limit = self.sock.gettimeout()
        self.sock.setblocking(False)
        while len(received) < len(data):
            writers = [self.sock] if unsent else []
            readable, writable, _ = select.select([self.sock], writers, [], limit)
            check(readable or writable, f"{self.target}: the stream stands still after "
                                        f"{len(received)} of {len(data)} bytes")
            if readable:
                part = self.sock.recv(1 << 16)
                check(part, f"{self.target}: closed after {len(received)} bytes")
                received += part
            if writable:
                try:
                    unsent = unsent[self.sock.send(unsent[:1 << 16]):]
                except BlockingIOError:
                    pass  # SCTP may have room, but not for a message of this size
        self.sock.settimeout(limit)
        check(received == data, f"{self.target}: other bytes came back than were sent")

    def bulk(self, size=200_000):
        """Sends random data both ways: a stream, or datagrams of all sizes that fit a packet."""
        if self.flow.protocol != "udp":
            self.say(os.urandom(size))
            return
        for length in (0, 1, 2, 3, 511, 1024, 1025, 1300):
            self.say(os.urandom(length))

    def ends(self, limit=2.0):
        """Returns how the connection ends by itself within the limit: "reset", "closed" or None."""
        # Not by recv() alone: SCTP of this kernel walks a list outside RCU, and lockdep says so,
        # when an ABORT finds its socket in use.
        select.select([self.sock], [], [], seconds(limit))
        before = self.sock.gettimeout()
        self.sock.setblocking(False)
        try:
            return "closed" if self.sock.recv(1) == b"" else "data"
        except ConnectionError:
            return "reset"
        except BlockingIOError:
            return None
        finally:
            self.sock.settimeout(before)

    def close(self, reset=False):
        """Closes in the orderly way, or by a reset."""
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def talk(where, flow, port=80, **options):
    """Begins a conversation."""
    return Conversation(where, flow, port, **options)


def served_by(where, flow, count, port=80, **options):
    """Begins and ends conversations in turn; returns how many each server's port got."""
    ports = collections.Counter()
    for _ in range(count):
        with talk(where, flow, port, **options) as conversation:
            ports[conversation.port] += 1
    return dict(ports)


def is_refused(sock):
    """Returns whether a datagram is answered with port unreachable, or not even sent."""
    try:
        sock.send(b"anybody there?")
        sock.recv(100)
    except ConnectionRefusedError:
        return True
    except TimeoutError:
        return False
    return False


def refusal(where, flow, port=80, limit=3.0, **options):
    """Returns what a client meets that is not served: "refused", "dropped", "timeout" or "served".

    "dropped" is what a local sender is told with EPERM; a remote one is told nothing.
    """
    try:
        talk(where, flow, port, limit=limit, **options).close()
    except ConnectionRefusedError:
        return "refused"
    except PermissionError:
        return "dropped"
    except (TimeoutError, Failure):
        return "timeout"
    return "served"
