# SPDX-License-Identifier: GPL-2.0
"""The generic netlink family IPVS by hand; its numbers are in linux/ip_vs.h of every kernel."""

import struct

from lib.genl import NLA_F_NESTED, Error, Genl, attr, octets, parse

(NEW_SERVICE, SET_SERVICE, DEL_SERVICE, GET_SERVICE, NEW_DEST, SET_DEST, DEL_DEST, GET_DEST,
 NEW_DAEMON, DEL_DAEMON, GET_DAEMON, SET_CONFIG, GET_CONFIG, SET_INFO, GET_INFO, ZERO,
 FLUSH) = range(1, 18)
SERVICE, DEST, DAEMON, TIMEOUT_TCP, TIMEOUT_TCP_FIN, TIMEOUT_UDP = range(1, 7)
(S_AF, S_PROTOCOL, S_ADDR, S_PORT, S_FWMARK, S_SCHED, S_FLAGS, S_TIMEOUT, S_NETMASK, S_STATS,
 S_PE, S_STATS64) = range(1, 13)
(D_ADDR, D_PORT, D_FWD, D_WEIGHT, D_UPPER, D_LOWER, D_ACTIVE, D_INACTIVE, D_PERSIST, D_STATS,
 D_AF, D_STATS64, D_TUN_TYPE, D_TUN_PORT, D_TUN_FLAGS) = range(1, 16)
VERSION, TABLE_SIZE = 1, 2
MASQ, LOCAL, TUNNEL, ROUTE, BYPASS = range(5)
PERSISTENT, HASHED, ONE_PACKET, SCHED1, SCHED2, SCHED3 = 1, 2, 4, 8, 16, 32


def u16(kind, value):
    """Returns a 16-bit number in the host's byte order."""
    return attr(kind, struct.pack("=H", value))


def be16(kind, value):
    """Returns a 16-bit number in network byte order."""
    return attr(kind, struct.pack("!H", value))


def u32(kind, value):
    """Returns a 32-bit number in the host's byte order."""
    return attr(kind, struct.pack("=I", value & 0xFFFFFFFF))


def string(kind, text):
    """Returns text with the zero byte that ends it."""
    return attr(kind, text.encode() + b"\0")


def nest(kind, *attributes):
    """Nests attributes within one; `ipvsadm` of old does not mark it as such."""
    return attr(kind | NLA_F_NESTED, b"".join(attributes))


def wide(address):
    """Returns an address as today's programs send it: 16 bytes for IPv4 too."""
    return octets(address).ljust(16, b"\0")


def identity(flow, port=80, address=None):
    """Returns what names a service, attribute by attribute."""
    return {
        S_AF: u16(S_AF, flow.family),
        S_PROTOCOL: u16(S_PROTOCOL, flow.number),
        S_ADDR: attr(S_ADDR, wide(address or flow.vip)),
        S_PORT: be16(S_PORT, port),
    }


def whole_service(flow, port=80, scheduler="rr", flags=0, bits=0xFFFFFFFF, timeout=0, mask=None):
    """Returns all attributes that adding or editing a service takes."""
    if mask is None:
        mask = 0xFFFFFFFF if flow.version == 4 else 128
    return identity(flow, port) | {
        S_SCHED: string(S_SCHED, scheduler),
        S_FLAGS: attr(S_FLAGS, struct.pack("=II", flags, bits)),
        S_TIMEOUT: u32(S_TIMEOUT, timeout),
        S_NETMASK: u32(S_NETMASK, mask),
    }


def whole_dest(flow, port=8001, address=None, weight=1, method=MASQ, upper=0, lower=0):
    """Returns all attributes that adding or editing a destination takes."""
    return {
        D_ADDR: attr(D_ADDR, wide(address or flow.vip)),
        D_PORT: be16(D_PORT, port),
        D_FWD: u32(D_FWD, method),
        D_WEIGHT: u32(D_WEIGHT, weight),
        D_UPPER: u32(D_UPPER, upper),
        D_LOWER: u32(D_LOWER, lower),
        D_AF: u16(D_AF, flow.family),
    }


def service(attributes, *more):
    """Returns the nest of a service."""
    return nest(SERVICE, *attributes.values(), *more)


def dest(attributes, *more):
    """Returns the nest of a destination."""
    return nest(DEST, *attributes.values(), *more)


class Ipvs(Genl):
    """What ipvsadm does, message by message."""

    def __init__(self, namespace):
        super().__init__(namespace, "IPVS")

    def services(self):
        """Returns the attributes of each service, with its destinations."""
        found = []
        for reply in self.must(GET_SERVICE, dump=True):
            attributes = parse(reply[SERVICE])
            names = b"".join(attr(kind, attributes[kind])
                             for kind in (S_AF, S_PROTOCOL, S_ADDR, S_PORT, S_FWMARK)
                             if kind in attributes)
            dests = self.must(GET_DEST, nest(SERVICE, names), dump=True)
            attributes["destinations"] = sorted((parse(one[DEST]) for one in dests),
                                      key=lambda one: (one[D_ADDR], one[D_PORT]))
            found.append(attributes)
        return sorted(found, key=lambda one: [one.get(kind, b"") for kind in
                                              (S_AF, S_PROTOCOL, S_ADDR, S_PORT)])

    def flush(self):
        """Removes all services."""
        self.must(FLUSH)


def errno_of(outcome):
    """Returns the errno of a reply, 0 for what was granted."""
    return outcome.errno if isinstance(outcome, Error) else 0
