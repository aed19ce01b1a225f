# SPDX-License-Identifier: GPL-2.0
"""A flood of SYNs from random addresses, as fast as one process can send them.

Frames are made from one that is right: the sender's address and port are random, and
the identification of the IPv4 header, which alone has a checksum of its own, and the
sequence number make up for them, so that the checksums stay right without being computed.
"""

import array
import ctypes
import os
import socket
import struct

from lib.packets import link_address, segment

SOL_PACKET, PACKET_QDISC_BYPASS = 263, 20
CHUNK = 1024  # messages that the kernel takes in one call
_libc = ctypes.CDLL(None, use_errno=True)


class _Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class _Message(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = [("name", ctypes.c_void_p), ("name_length", ctypes.c_uint),
                ("vectors", ctypes.c_void_p), ("count", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
                ("flags", ctypes.c_int), ("sent", ctypes.c_uint)]


class _Layout:
    """Where in a frame, in 16-bit words, the words are that differ."""

    def __init__(self, network, ident, source):
        self.words = 7 + network + 10  # Ethernet's, IP's and TCP's
        self.ident = ident
        self.high, self.low = source
        self.port = 7 + network
        self.sequence = self.port + 3


LAYOUTS = {4: _Layout(10, 9, (13, 14)), 6: _Layout(20, None, (14, 15))}
# Where the SYNs come from: the first address, the prefix, and what its high word begins with.
SOURCES = {4: ("10.0.0.0", "10.0.0.0/8", b"\x0a"),
           6: ("2001:db8:f00d::", "2001:db8:f00d::/48", b"")}


class Flood:
    """SYNs from many addresses to a port of lab.lb, which answers them to the client's host, where
    nothing waits for the answers."""

    def __init__(self, lab, flow, port):
        self._layout = layout = LAYOUTS[flow.version]
        source, network, self._begin = SOURCES[flow.version]
        lab.lb.ip(f"route replace {network} via {flow.client}")
        with lab.client:
            self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._sock.bind(("eth", 0))
        self._sock.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
        frame = link_address(lab.lb, "wan") + link_address(lab.client, "eth")
        frame += struct.pack("!H", 0x0800 if flow.version == 4 else 0x86DD)
        frame += segment(source, flow.vip, 1024, port)
        size = 2 * layout.words
        self._first = array.array("H", frame)
        self._frames = array.array("H", frame * CHUNK)
        start = self._frames.buffer_info()[0]
        self._vectors = (_Vector * CHUNK)(*(
            _Vector(start + number * size, size) for number in range(CHUNK)))
        self._messages = (_Message * CHUNK)(*(
            _Message(vectors=ctypes.addressof(vector), count=1) for vector in self._vectors))

    def renew(self, count=CHUNK):
        """Makes the next frames come from other addresses and ports."""
        raw = os.urandom(2 * count)
        if self._begin:
            raw = b"".join(self._begin + raw[number:number + 1] for number in range(count))
        high = array.array("H", raw)
        low, port = (array.array("H", os.urandom(2 * count)) for _ in range(2))
        at = self._layout
        self._set(at.high, high)
        self._set(at.low, low)
        self._set(at.port, port)
        if at.ident:
            self._make_up(at.ident, [(at.high, high), (at.low, low)])
        self._make_up(at.sequence, [(at.high, high), (at.low, low), (at.port, port)])

    def _set(self, place, values):
        """Writes one word of the first frames."""
        words = self._layout.words
        self._frames[place:len(values) * words:words] = values

    def _make_up(self, place, changed):
        """Gives the word the value with which the sum is what it was in the first frame."""
        total = self._first[place] + sum(self._first[other] for other, _ in changed)
        columns = zip(*(values for _, values in changed))
        self._set(place, array.array("H", [(total - sum(row)) % 65535 for row in columns]))

    def send(self, count=CHUNK):
        """Sends the frames as they are."""
        done = 0
        while done < count:
            sent = _libc.sendmmsg(self._sock.fileno(), ctypes.byref(self._messages[done]),
                                  count - done, 0)
            if sent < 0:
                number = ctypes.get_errno()
                raise OSError(number, f"sendmmsg: {os.strerror(number)}")
            done += sent

    def frame(self, number):
        """Returns one of the frames, without its link header."""
        words = self._layout.words
        return self._frames[number * words + 7:(number + 1) * words].tobytes()
