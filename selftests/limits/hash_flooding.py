# SPDX-License-Identifier: GPL-2.0
"""A remote client that chooses addresses of a routed prefix cannot make entries collide.

Of a service on the wildcard address the client chooses the other end as well: with a prefix of IPv6
that is routed to the host, 64 bits of it. IPv4 has no such room: of its addresses, fewer than there
are hashes, none could be computed that share one. (SipHash's authors on flooding of tables: J.-P.
Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012.)
"""

import random
import socket
import struct

from lib.ktap import equal, fewer
from lib.lab import UDP6

PREFIX = "2001:db8:2::"
HIGH = int.from_bytes(socket.inet_pton(socket.AF_INET6, PREFIX)[:8], "big")
PORT = 80
MASK = (1 << 64) - 1

# What the other end was mixed in by once: a factor that is public, and its inverse.
FACTOR = 0x61C8864680B583EB
INVERSE = pow(FACTOR, -1, 1 << 64)
HASH_SHIFT = 36


def swapped(word):
    """The word with its halves exchanged."""
    return (word << 32 | word >> 32) & MASK


def unkeyed(low):
    """What an address of the prefix once added to the hash, of which the highest 28 bits counted."""
    mixed = 0
    for word in (HIGH, low, PORT):
        mixed = (swapped(mixed) ^ word) * FACTOR & MASK
    return mixed >> HASH_SHIFT


def crafted(count):
    """Lower halves of addresses of the prefix that all added the same."""
    begun = swapped(HIGH * FACTOR & MASK)
    for rest in random.sample(range(1 << HASH_SHIFT), count):
        last = (5 << HASH_SHIFT | rest) * INVERSE & MASK
        low = begun ^ swapped(last ^ PORT) * INVERSE & MASK
        assert unkeyed(low) == 5
        yield low


def test_crafted_addresses_have_entries_each(lab):
    """As many as random ones, and none is refused for want of room in a list."""
    lab.lb.ip(f"route replace local {PREFIX}/64 dev lo")
    lab.client.ip(f"route replace {PREFIX}/64 via {UDP6.host} src {UDP6.client}")
    any_service = UDP6.service(PORT, UDP6.any)
    count = fewer(3000, 1000)
    with lab.lb:
        server = UDP6.socket()
    with lab.client:
        client = UDP6.socket()
    with server, client:
        server.bind(("::", 8001))
        server.setblocking(False)
        client.bind((UDP6.client, 4000))
        lab.rlvs(f"service add {any_service} --scheduler rr")
        lab.rlvs(f"dest add {any_service} :8001")
        for what, lows in (("random", [random.getrandbits(64) for _ in range(count)]),
                           ("crafted", list(crafted(count)))):
            entries, refused = lab.counter("entries"), lab.counter("no_memory")
            for number, low in enumerate(lows):
                address = socket.inet_ntop(socket.AF_INET6, struct.pack("!QQ", HIGH, low))
                client.sendto(b"x", (address, PORT))
                if number % 100 == 99:
                    drain(server)
            entries, refused = lab.counter("entries") - entries, lab.counter("no_memory") - refused
            equal(refused, 0, f"datagrams to {what} addresses that were refused")
            equal(entries, count, f"entries for datagrams to {what} addresses")


def drain(server):
    """Takes what waits in a socket, so that there is room for more."""
    try:
        while server.recv(16):
            pass
    except BlockingIOError:
        pass
