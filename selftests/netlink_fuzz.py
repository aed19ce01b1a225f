# SPDX-License-Identifier: GPL-2.0
"""The family under a storm of random messages, valid, mutated and plain nonsense.

FUZZ_SECONDS and FUZZ_SEED in the environment set how long and which storm.
"""

import os
import random
import struct
import time

from lib.clients import talk
from lib.events import Events
from lib.genl import N, NLA_F_NESTED, Error, Genl, attr, destination, nest, service
from lib.ktap import check, equal
from lib.lab import FLOWS, TCP4

SECONDS = float(os.environ.get("FUZZ_SECONDS", "60"))
LIMIT = SECONDS + 240
COMMANDS = sorted(value for name, value in N.items() if name.startswith("RLVS_CMD_"))
FLAGS = (0x4, 0x304, 0x300, 0x104, 0x204, 0x4 | 0x400, 0x804, 0x0)
KINDS = ("rr", "wrr", "lc", "wlc", "sed", "nq", "fo", "ovf", "sh", "dh", "mh", "lblc", "lblcr",
         "twos", "p2c")
SCHEDULERS = KINDS + ("", "nosuch", "rr\0junk", "s" * 15, "s" * 16)


def kinds(attributes):
    """The numbers of the attributes of a message, as far as it can be read."""
    while len(attributes) >= 4:
        length, kind = struct.unpack_from("=HH", attributes)
        if length < 4:
            return
        yield kind & 0x3FFF
        attributes = attributes[(length + 3) & ~3:]


class Storm:
    """Makes the messages; the same seed makes the same ones."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def identity(self):
        """A service among the few that exist now and then, or one that never will."""
        r = self.random
        flow = r.choice(FLOWS)
        address = r.choice((flow.vip, flow.vip2, flow.any, flow.loopback, "224.0.0.1"))
        return service(flow, r.choice((80, 81, 82, 0, 65535)), address,
                       r.choice(SCHEDULERS) if r.random() < 0.3 else None)

    def target(self):
        """A destination or a range of them."""
        r = self.random
        first = r.choice((0, 1, 80, 8001, 8004, 65535, r.randrange(65536)))
        last = min(65535, first + r.randrange(-2, 60)) if r.random() < 0.4 else None
        return destination(
            self.identity(), first, None if last is None else max(0, last),
            r.choice((None, None, "198.51.100.10", "2001:db8:1::10", "127.0.0.1", "203.0.113.1")),
            r.choice((None, 0, 1, 65535, 65536, 0xFFFFFFFF)), r.choice((None, 0, 1, 2, 255)),
            r.choice((None, None, 0, 1, 2)))

    def junk(self, depth=0):
        """Attributes of any kind and length, nested now and then."""
        r = self.random
        out = b""
        for _ in range(r.randrange(6)):
            kind = r.randrange(16) | r.choice((0, 0, NLA_F_NESTED, 0x4000))
            if depth < 6 and r.random() < 0.3:
                out += nest(kind, self.junk(depth + 1))
            else:
                out += attr(kind, r.randbytes(r.choice((0, 1, 2, 3, 4, 8, 15, 16, 17, 300))))
        return out

    def mutate(self, data):
        """Flips, cuts, repeats."""
        r = self.random
        data = bytearray(data)
        for _ in range(r.randrange(1, 5)):
            how = r.randrange(4)
            if how == 0 and data:
                data[r.randrange(len(data))] = r.randrange(256)
            elif how == 1:
                del data[r.randrange(len(data) + 1):]
            elif how == 2:
                place = r.randrange(len(data) + 1)
                data[place:place] = r.randbytes(r.randrange(9))
            else:
                data += data[:r.randrange(len(data) + 1)]
        return bytes(data)

    def attributes(self):
        """The body of one message."""
        r = self.random
        kind = r.random()
        if kind < 0.25:
            return self.identity() + (attr(N["RLVS_A_SERVICE_CUT"]) if r.random() < 0.2 else b"")
        if kind < 0.5:
            return self.target()
        if kind < 0.65:
            return self.junk()
        if kind < 0.67:
            return r.randbytes(r.choice((4096, 30_000)))
        return self.mutate(r.choice((self.identity, self.target, self.junk))())

    def send(self, connection):
        """One message, now and then with lies in its headers too."""
        r = self.random
        command = r.choice(COMMANDS) if r.random() < 0.95 else r.randrange(256)
        attributes = self.attributes()
        if command == N["RLVS_CMD_FLUSH"] and N["RLVS_A_SERVICE_CUT"] in kinds(attributes):
            return  # this one may be granted, and cuts the connection that has to live
        message = connection.message(command, attributes, r.choice(FLAGS),
                                     version=r.choice((1, 1, 1, 0, 255)))
        if r.random() < 0.05:
            message = struct.pack("=I", r.randrange(2 * len(message))) + message[4:]
        if r.random() < 0.03:
            message += message
        try:
            connection.sock.send(message)
        except OSError:
            pass  # the netlink core refuses some of it; that is its business


def test_the_family_outlives_it(lab):
    seed = int(os.environ.get("FUZZ_SEED", time.time_ns() % 1_000_000))
    print(f"    # FUZZ_SEED={seed}", flush=True)
    storm = Storm(seed)
    for flow in FLOWS:
        lab.servers.listen(flow, range(8001, 8005))
    # A connection of a service that the storm does not know has to live through it.
    lab.balance(TCP4, port=4711)
    kept = talk(lab.client, TCP4, 4711)
    # The last one hears of what the others do.
    connections = [Genl(lab.lb), Genl(lab.lb), Events(lab.lb)]
    for connection in connections:
        connection.sock.setblocking(False)
    sent, deadline = 0, time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        for connection in connections:
            storm.send(connection)
            connection.drain()
        sent += len(connections)
        if sent % 3000 == 0:
            kept.say(b"still there?")
    print(f"    # {sent} messages", flush=True)
    check(sent > 1000, f"only {sent} messages were sent")
    kept.say(b"still there?")
    judge_state(lab)


def judge_state(lab):
    """Whatever was granted adds up, and can be taken back."""
    seen = set()
    for entry in lab.services():
        name = entry["protocol"], entry["address"], entry["port"]
        check(name not in seen, f"service {name} is listed twice")
        seen.add(name)
        check(entry["protocol"] in ("tcp", "udp", "sctp") and 0 < entry["port"] < 65536
              and entry["scheduler"] in KINDS, f"a service that cannot be: {entry}")
        places = [(d["address"], d["port"]) for d in entry["destinations"]]
        equal(len(places), len(set(places)), f"destinations of {name} without repetitions")
        for target in entry["destinations"]:
            check(0 < target["port"] < 65536 and 0 <= target["weight"] < 65536,
                  f"a destination that cannot be: {target}")
    connection = Genl(lab.lb)
    check(not isinstance(connection.request(N["RLVS_CMD_FLUSH"]), Error), "flush was refused")
    equal(lab.services(), [], "services after a flush")
    lab.balance(TCP4)
    with talk(lab.client, TCP4) as conversation:
        conversation.bulk(20_000)
