# SPDX-License-Identifier: GPL-2.0
"""A flood of SYNs from random addresses, as fast as one process can send them.

Frames are made from one that is right: the sender's address and port are random, and
the identification of the IPv4 header and the sequence number make up for them, so that
the checksums stay right without being computed.
"""

import array
import ctypes
import os
import socket
import struct

from lib.packets import link_address, segment

SOL_PACKET, PACKET_QDISC_BYPASS = 263, 20
CHUNK = 1024  # messages that the kernel takes in one call
WORDS = 27  # 16-bit words of a frame: Ethernet 7, IPv4 10, TCP 10
ID, HIGH, LOW, PORT, SEQUENCE = 9, 13, 14, 17, 20  # the words that differ
_libc = ctypes.CDLL(None, use_errno=True)


class _Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class _Message(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = [("name", ctypes.c_void_p), ("name_length", ctypes.c_uint),
                ("vectors", ctypes.c_void_p), ("count", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
                ("flags", ctypes.c_int), ("sent", ctypes.c_uint)]


class Flood:
    """SYNs from 10.0.0.0/8 to one address and port of lab.lb, which answers them to the client's
    host, where nobody wants the answers."""

    def __init__(self, lab, address, port):
        lab.lb.ip("route replace 10.0.0.0/8 via 192.0.2.100")
        with lab.client:
            self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._sock.bind(("eth", 0))
        self._sock.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
        frame = link_address(lab.lb, "wan") + link_address(lab.client, "eth")
        frame += struct.pack("!H", 0x0800) + segment("10.0.0.0", address, 1024, port)
        self._first = array.array("H", frame)
        self._frames = array.array("H", frame * CHUNK)
        start = self._frames.buffer_info()[0]
        self._vectors = (_Vector * CHUNK)(*(
            _Vector(start + number * WORDS * 2, WORDS * 2) for number in range(CHUNK)))
        self._messages = (_Message * CHUNK)(*(
            _Message(vectors=ctypes.addressof(vector), count=1) for vector in self._vectors))

    def renew(self, count=CHUNK):
        """Makes the next frames come from other addresses and ports."""
        first = self._first
        raw = array.array("H", os.urandom(2 * count))
        high = array.array("H", b"".join(b"\x0a" + os.urandom(1) for _ in range(count)))
        port = array.array("H", os.urandom(2 * count))
        ip_sum = first[ID] + first[HIGH] + first[LOW]
        tcp_sum = first[SEQUENCE] + first[HIGH] + first[LOW] + first[PORT]
        end = count * WORDS
        frames = self._frames
        frames[HIGH:end:WORDS] = high
        frames[LOW:end:WORDS] = raw
        frames[PORT:end:WORDS] = port
        frames[ID:end:WORDS] = array.array(
            "H", [(ip_sum - a - b) % 65535 for a, b in zip(high, raw)])
        frames[SEQUENCE:end:WORDS] = array.array(
            "H", [(tcp_sum - a - b - c) % 65535 for a, b, c in zip(high, raw, port)])

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
        """One of the frames, without its link header."""
        return self._frames[number * WORDS + 7:(number + 1) * WORDS].tobytes()
