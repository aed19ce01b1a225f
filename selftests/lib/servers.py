# SPDX-License-Identifier: GPL-2.0
"""Servers on many addresses and ports, all in one thread of the test's own process.

A server says who it is, and then echoes. Over TCP and SCTP its first line is
"PORT PEER-ADDRESS PEER-PORT LOCAL-ADDRESS"; over UDP every answer begins with
such a line. PORT is the port that its listening socket is bound to: that is how a
test knows which destination served it.
"""

import collections
import queue
import selectors
import socket
import threading

from lib.ktap import wait_until

BUFFER_LIMIT = 1 << 20  # bytes waiting to be echoed before a connection is read no further


class Served:
    """A TCP connection or SCTP association that a server accepted."""

    def __init__(self, sock, port, peer):
        self.sock = sock
        self.name = sock.getsockname()[:2]
        self.port = port
        self.peer = peer
        self.waiting = bytearray()
        self.greeted = False  # send() of the greeting has returned
        self.eof = False
        self.ended = None  # None while open, then "closed" or "reset"


class Servers:
    """TCP, SCTP and UDP servers in one namespace."""

    def __init__(self, namespace):
        self.namespace = namespace
        self.connections = []
        self.datagrams = collections.Counter()
        self.bound = {}
        self._listeners = set()
        self._requests = queue.SimpleQueue()
        self._wake, self._woken = socket.socketpair()
        self._select = selectors.DefaultSelector()
        self._select.register(self._woken, selectors.EVENT_READ, self._obey)
        threading.Thread(target=self._loop, daemon=True).start()

    # Called by tests.

    def listen(self, flow, ports, address=None, reuse_port=False, options=(), v6only=False):
        """Serves these ports of one address (the first VIP by default). On the wildcard
        address of IPv6 it serves both families, as sockets do, unless it is `v6only`."""
        address = address or flow.vip
        for port in ports:
            with self.namespace:
                sock = flow.socket()
            if flow.kind == socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            for option in options:
                sock.setsockopt(*option)
            if reuse_port:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if v6only:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address, port))
            sock.setblocking(False)
            if flow.kind == socket.SOCK_STREAM:
                sock.listen(256)
                ready = self._accept
            else:
                ready = self._answer
            self.bound[(flow.protocol, address, port)] = sock
            self._do(lambda s=sock, r=ready: self._add_listener(s, r))

    def stop(self, flow, port, address=None):
        """Closes one port's socket; connections that it accepted live on."""
        sock = self.bound.pop((flow.protocol, address or flow.vip, port))
        self._do(lambda: self._drop(sock))

    def served(self, peer):
        """Returns the connection from this peer (address, port), with no call on it under way.

        The client may have the greeting while the server is still in send(), and SCTP of this
        kernel walks a list outside RCU, and lockdep says so, when an ABORT comes then.
        """
        def greeted():
            latest = next((c for c in reversed(self.connections) if c.peer == peer), None)
            return latest if latest and latest.greeted else None

        return wait_until(greeted, f"a server accepted a connection from {peer}, and greeted it")

    def finish(self, connection):
        """Ends a connection from the server's side."""
        self._do(lambda: self._end(connection, "closed"))

    def close_all(self):
        """Closes every socket."""
        self._do(self._close_all)
        self.bound.clear()
        self.connections.clear()
        self.datagrams.clear()

    # In the thread.

    def _do(self, action):
        done = threading.Event()
        self._requests.put((action, done))
        self._wake.send(b"x")
        done.wait()

    def _obey(self, sock, _):
        sock.recv(4096)
        while not self._requests.empty():
            action, done = self._requests.get()
            try:
                action()
            finally:
                done.set()

    def _loop(self):
        while True:
            for key, events in self._select.select():
                if key.fd in self._select.get_map():
                    key.data(key.fileobj, events)

    def _add_listener(self, sock, ready):
        self._listeners.add(sock)
        self._select.register(sock, selectors.EVENT_READ, ready)

    def _drop(self, sock):
        self._listeners.discard(sock)
        self._select.unregister(sock)
        sock.close()

    def _close_all(self):
        for sock in list(self._listeners):
            self._drop(sock)
        for connection in self.connections:
            # A reset leaves nothing in TIME_WAIT that the next subtest could meet.
            if connection.ended is None:
                connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                           b"\1\0\0\0\0\0\0\0")
                self._end(connection, "closed")

    def _accept(self, listener, _):
        try:
            sock, peer = listener.accept()
        except OSError:
            return
        sock.setblocking(False)
        local = sock.getsockname()
        port = listener.getsockname()[1]
        connection = Served(sock, port, (_plain(peer[0]), peer[1]))
        connection.waiting += _greeting((local[0], port), peer)
        self.connections.append(connection)
        self._select.register(sock, selectors.EVENT_READ,
                              lambda s, e: self._talk(connection, e))
        self._write(connection)
        connection.greeted = True

    def _answer(self, sock, _):
        try:
            data, peer = sock.recvfrom(65536)
            local = sock.getsockname()
            self.datagrams[local[1]] += 1
            sock.sendto(_greeting(local, peer) + data, peer)
        except OSError:
            pass  # an ICMP error for an earlier answer, or a client that is gone

    def _talk(self, connection, events):
        if events & selectors.EVENT_READ:
            try:
                data = connection.sock.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                self._end(connection, "reset")
                return
            connection.waiting += data
            connection.eof = not data
        self._write(connection)

    def _write(self, connection):
        try:
            while connection.waiting:
                # What SCTP sends at once is one message, which has to fit its buffer.
                sent = connection.sock.send(connection.waiting[:1 << 16])
                del connection.waiting[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._end(connection, "reset")
            return
        if connection.eof and not connection.waiting:
            self._end(connection, "closed")
            return
        wanted = 0
        if not connection.eof and len(connection.waiting) < BUFFER_LIMIT:
            wanted |= selectors.EVENT_READ
        if connection.waiting:
            wanted |= selectors.EVENT_WRITE
        self._select.modify(connection.sock, wanted, lambda s, e: self._talk(connection, e))

    def _end(self, connection, how):
        if connection.ended is None:
            self._select.unregister(connection.sock)
            connection.sock.close()
            connection.ended = how


def _plain(address):
    """Returns the IPv4 address for a mapped one, which a socket of both families has."""
    return address.removeprefix("::ffff:")


def _greeting(local, peer):
    # Link-local addresses are shown with their link, which the client calls otherwise.
    peer_address, local_address = (_plain(end[0]).partition("%")[0] for end in (peer, local))
    return f"{local[1]} {peer_address} {peer[1]} {local_address}\n".encode("ascii")
