# SPDX-License-Identifier: GPL-2.0
"""Generic netlink by hand, for messages that the tool would never send.

The numbers come from include/uapi/linux/rlvs.h, so that this file needs no
change when the specification grows.
"""

import collections
import os
import re
import select
import socket
import struct
import sys
from pathlib import Path

from lib.ktap import Failure, seconds

NETLINK_GENERIC = 16
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 270, 10, 11
GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 16, 3, 1, 2
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, NLM_F_ACK_TLVS = 1, 4, 0x300, 0x200
NLM_F_DUMP_INTR = 0x10
NLA_F_NESTED = 0x8000
NLMSGERR_ATTR_MSG, NLMSGERR_ATTR_OFFS, NLMSGERR_ATTR_MISS_TYPE = 1, 2, 5

HEADER = Path(__file__).resolve().parents[2] / "include/uapi/linux/rlvs.h"

Error = collections.namedtuple("Error", "errno text offset missing")


def numbers():
    """Returns the names and values of the enums in the uapi header.

    The compiler is not asked: the header has one enumerator a line, in order, and a new
    enum begins at zero unless its first line says otherwise.
    """
    found, value = {}, 0
    for line in HEADER.read_text(encoding="ascii").splitlines():
        if re.match(r"\s*enum\b", line):
            value = 0
        elif match := re.match(r"\s*(__)?(RLVS_\w+)(?: = (\d+))?,", line):
            value = int(match[3]) if match[3] else value
            found[(match[1] or "") + match[2]] = value
            value += 1
    return found


N = numbers()
NAT, STEER, AUTO = (N["RLVS_FORWARDING_METHOD_" + name] for name in ("NAT", "STEER", "AUTO"))


def attr(kind, payload=b""):
    """Returns one attribute, padded."""
    size = 4 + len(payload)
    return struct.pack("=HH", size, kind) + payload + b"\0" * (-size % 4)


def nest(kind, *attributes):
    """Returns a nested attribute."""
    return attr(kind | NLA_F_NESTED, b"".join(attributes))


def parse(data):
    """Returns attributes as {kind: payload}."""
    found = {}
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        if size < 4:
            break
        found[kind & 0x3FFF] = data[4:size]
        data = data[(size + 3) & ~3:]
    return found


class Genl:
    """A socket that talks to one family."""

    def __init__(self, namespace, family="rlvs"):
        with namespace:
            self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.sock.bind((0, 0))
        self.sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.settimeout(seconds(20))
        self.sequence = 0
        self.interrupted = False  # whether the last list is not of one moment
        self.family = GENL_ID_CTRL
        replies = self.request(CTRL_CMD_GETFAMILY,
                               attr(CTRL_ATTR_FAMILY_NAME, family.encode() + b"\0"), version=2)
        if isinstance(replies, Error):
            raise Failure(f"netlink family {family}: {replies.text or os.strerror(replies.errno)}")
        self.family = struct.unpack("=H", replies[0][CTRL_ATTR_FAMILY_ID])[0]

    def message(self, command, attributes=b"", flags=0, version=1):
        """Returns a whole message with its headers."""
        self.sequence += 1
        size = 20 + len(attributes)
        return struct.pack("=IHHII", size, self.family, flags | NLM_F_REQUEST, self.sequence,
                           0) + struct.pack("=BBH", command, version, 0) + attributes

    def request(self, command, attributes=b"", dump=False, version=1):
        """Sends a request; returns a list of the replies' attributes, or the Error."""
        flags = NLM_F_DUMP if dump else NLM_F_ACK
        self.interrupted = False
        self.sock.send(self.message(command, attributes, flags, version))
        replies = []
        while True:
            for kind, error, payload in self._receive():
                if error is not None and (error.errno or kind == NLMSG_ERROR or kind == NLMSG_DONE):
                    return error if error.errno else replies
                replies.append(parse(payload[4:]))

    def _receive(self):
        data = self.sock.recv(1 << 18)
        while len(data) >= 16:
            size, kind, flags, sequence, _ = struct.unpack_from("=IHHII", data)
            payload, data = data[16:size], data[(size + 3) & ~3:]
            if sequence != self.sequence:
                continue
            self.interrupted |= bool(flags & NLM_F_DUMP_INTR)
            if kind == NLMSG_ERROR:
                tlvs = payload[20:] if flags & NLM_F_ACK_TLVS else b""
                yield kind, _error(payload, tlvs), b""
            elif kind == NLMSG_DONE:
                tlvs = payload[4:] if flags & NLM_F_ACK_TLVS else b""
                yield kind, _error(payload, tlvs), b""
            else:
                yield kind, None, payload

    def must(self, command, attributes=b"", dump=False):
        """Sends a request that has to be granted."""
        replies = self.request(command, attributes, dump)
        if isinstance(replies, Error):
            raise Failure(f"netlink command {command}: {replies}")
        return replies

    def drain(self):
        """Throws away whatever has arrived; the socket may have lost messages meanwhile."""
        while select.select([self.sock], [], [], 0)[0]:
            try:
                self.sock.recv(1 << 18)
            except OSError:
                pass  # ENOBUFS says that replies were lost, which nobody wanted


def _error(payload, tlvs):
    found = parse(tlvs)

    def number(kind):
        return struct.unpack("=I", found[kind])[0] if kind in found else None

    text = found.get(NLMSGERR_ATTR_MSG, b"").rstrip(b"\0").decode("utf-8", "replace")
    return Error(-struct.unpack_from("=i", payload)[0], text, number(NLMSGERR_ATTR_OFFS),
                 number(NLMSGERR_ATTR_MISS_TYPE))


class Director(Genl):
    """What the tool does, without the time that starting it takes."""

    def add(self, flow, port, ports, scheduler, address=None, flags=0, method=NAT):
        """Adds a service and destinations on a range of ports of its own address."""
        first, _, last = ports.partition("-")
        self.must(N["RLVS_CMD_SERVICE_ADD"], service(flow, port, address, scheduler, flags))
        self.must(N["RLVS_CMD_DESTINATION_ADD"],
                  destination(service(flow, port, address), int(first), int(last or first),
                              method=method))

    def add_weighted(self, flow, port, first, scheduler, weights):
        """Adds a service and destinations from a port on, one with each weight."""
        self.must(N["RLVS_CMD_SERVICE_ADD"], service(flow, port, scheduler=scheduler))
        for number, weight in enumerate(weights, first):
            self.must(N["RLVS_CMD_DESTINATION_ADD"],
                      destination(service(flow, port), number, weight=weight))

    def flush_now(self):
        """Removes all services and all connections but those that are not recorded."""
        # What was deleted before is ended as far as it is known, what is listed only as a whole.
        self.must(N["RLVS_CMD_FLUSH"])
        self.must(N["RLVS_CMD_FLUSH"], attr(N["RLVS_A_SERVICE_CUT"]))

    def counter(self, name):
        """Returns one of the namespace's own counters."""
        reply = self.must(N["RLVS_CMD_COUNTERS_GET"])[0]
        return _number(reply[N["RLVS_A_COUNTERS_" + name.upper()]])

    def connections(self):
        """Returns the connection entries, as `rlvs conns --json` has them."""
        return [_connection(reply) for reply in self.must(N["RLVS_CMD_CONNECTION_GET"], dump=True)]

    def services(self):
        """Returns the services with their destinations, as `rlvs list --json` has them."""
        found = []
        for reply in self.must(N["RLVS_CMD_SERVICE_GET"], dump=True):
            kind = "RLVS_A_SERVICE_"
            identity = b"".join(attr(N[kind + k], reply[N[kind + k]])
                                for k in ("PROTOCOL", "ADDRESS", "PORT"))
            targets = self.must(N["RLVS_CMD_DESTINATION_GET"],
                                nest(N["RLVS_A_DESTINATION_SERVICE"], identity), dump=True)
            scheduler = reply[N[kind + "SCHEDULER"]].rstrip(b"\0").decode("ascii")
            entry = {
                "protocol": PROTOCOLS[reply[N[kind + "PROTOCOL"]][0]],
                "address": _text(reply[N[kind + "ADDRESS"]]),
                "port": int.from_bytes(reply[N[kind + "PORT"]], "big"),
                "scheduler": scheduler,
                "flags": _flags(_number(reply[N[kind + "FLAGS"]]), scheduler),
                "destinations": [_destination(target) for target in targets],
                "stats": _stats(reply[N[kind + "STATS"]]),
            }
            if N[kind + "TABLE_SIZE"] in reply:
                entry["table_size"] = _number(reply[N[kind + "TABLE_SIZE"]])
            if N[kind + "HERE"] in reply:
                entry["here"] = _number(reply[N[kind + "HERE"]]) != 0
            for name in ("persistent", "persistent_prefix", "slow_start"):
                if N[kind + name.upper()] in reply:
                    entry[name] = _number(reply[N[kind + name.upper()]])
            found.append(entry)
        return found


METHODS = {NAT: "nat", STEER: "steer", AUTO: "auto"}
PROTOCOLS = {6: "tcp", 17: "udp", 132: "sctp"}
STATES = {value: name.removeprefix("RLVS_CONNECTION_STATE_")
          for name, value in N.items() if name.startswith("RLVS_CONNECTION_STATE_")}


def _number(payload):
    """Returns a number in host byte order, of any width."""
    return int.from_bytes(payload, sys.byteorder)


def _text(payload):
    """Returns an address as text."""
    family = socket.AF_INET if len(payload) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, payload)


def _flags(bits, scheduler):
    """Returns the names of flags."""
    kind = "RLVS_SERVICE_FLAG_"
    names = [n.removeprefix(kind) for n, bit in N.items() if n.startswith(kind) and bits & bit]
    return [n.lower().replace("_", "-").replace("scheduler-", scheduler + "-") for n in names]


def _numbers(found, kind, *names):
    """Returns the numbers of these names that there are."""
    return {name: _number(found[N[kind + name.upper()]])
            for name in names if N[kind + name.upper()] in found}


def _stats(payload):
    found = parse(payload)
    return _numbers(found, "RLVS_A_STATS_", "connections", "in_packets", "out_packets",
                    "in_bytes", "out_bytes", "avoided")


def _destination(reply):
    kind = "RLVS_A_DESTINATION_"
    found = {
        "address": _text(reply[N[kind + "ADDRESS"]]),
        "port": int.from_bytes(reply[N[kind + "PORT"]], "big"),
        "method": METHODS[_number(reply[N[kind + "METHOD"]])],
        "requested_method": METHODS[_number(reply[N[kind + "REQUESTED_METHOD"]])],
        "weight": _number(reply[N[kind + "WEIGHT"]]),
        **_numbers(reply, kind, "active_connections", "inactive_connections", "in_flight"),
        "max_connections": _number(reply[N[kind + "MAX_CONNECTIONS"]]),
        "min_connections": _number(reply[N[kind + "MIN_CONNECTIONS"]]),
        "templates": _number(reply[N[kind + "TEMPLATES"]]),
        "private": _number(reply[N[kind + "PRIVATE"]]) != 0,
        "drained": N[kind + "DRAINED"] in reply,
        "stats": _stats(reply[N[kind + "STATS"]]),
    }
    found |= _numbers(reply, kind, "user")
    for name in ("listening", "here"):
        if N[kind + name.upper()] in reply:
            found[name] = _number(reply[N[kind + name.upper()]]) != 0
    return found


def _connection(reply):
    kind = "RLVS_A_CONNECTION_"
    found = {"protocol": PROTOCOLS[reply[N[kind + "PROTOCOL"]][0]]}
    for end in ("service", "client", "destination"):
        found[end + "_address"] = _text(reply[N[kind + end.upper() + "_ADDRESS"]])
        found[end + "_port"] = int.from_bytes(reply[N[kind + end.upper() + "_PORT"]], "big")
    if N[kind + "CLIENT_DEVICE"] in reply:
        found["client_device"] = _number(reply[N[kind + "CLIENT_DEVICE"]])
    found["state"] = STATES[_number(reply[N[kind + "STATE"]])]
    found["expires"] = _number(reply[N[kind + "EXPIRES"]])
    return found


def octets(address):
    """Returns an address in network byte order."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def service(flow, port, address=None, scheduler=None, flags=None):
    """Returns the attributes of a service."""
    attributes = (attr(N["RLVS_A_SERVICE_PROTOCOL"], bytes([flow.number]))
                  + attr(N["RLVS_A_SERVICE_ADDRESS"], octets(address or flow.vip))
                  + attr(N["RLVS_A_SERVICE_PORT"], struct.pack("!H", port)))
    if scheduler is not None:
        attributes += attr(N["RLVS_A_SERVICE_SCHEDULER"], scheduler.encode() + b"\0")
    if flags is not None:
        attributes += attr(N["RLVS_A_SERVICE_FLAGS"], struct.pack("=I", flags))
    return attributes


def destination(service_attributes, first, last=None, address=None, weight=None, method=NAT,
                private=None):
    """Returns the attributes of a destination or a range; to delete one, without a method.

    Most tests know by its port which server has answered: that takes nat.
    """
    attributes = (nest(N["RLVS_A_DESTINATION_SERVICE"], service_attributes)
                  + attr(N["RLVS_A_DESTINATION_PORT"], struct.pack("!H", first)))
    if last is not None:
        attributes += attr(N["RLVS_A_DESTINATION_LAST_PORT"], struct.pack("!H", last))
    if address is not None:
        attributes += attr(N["RLVS_A_DESTINATION_ADDRESS"], octets(address))
    if weight is not None:
        attributes += attr(N["RLVS_A_DESTINATION_WEIGHT"], struct.pack("=I", weight))
    if method is not None:
        attributes += attr(N["RLVS_A_DESTINATION_METHOD"], bytes([method]))
    if private is not None:
        attributes += attr(N["RLVS_A_DESTINATION_PRIVATE"], bytes([private]))
    return attributes
