# SPDX-License-Identifier: GPL-2.0
"""A storm of random netlink messages: valid, mutated and plain nonsense.

FUZZ_SECONDS and FUZZ_SEED in the environment set how long and which storm.
"""

import os
import random
import struct
import time

from lib.genl import NLA_F_NESTED, attr, nest
from lib.ktap import check

SECONDS = float(os.environ.get("FUZZ_SECONDS", "30"))
FLAGS = (0x4, 0x304, 0x300, 0x104, 0x204, 0x4 | 0x400, 0x804, 0x0)


class Storm:
    """Makes the messages; the same seed makes the same ones. A family's storm knows what its
    messages look like: valid()."""

    commands = ()

    def __init__(self):
        seed = int(os.environ.get("FUZZ_SEED", time.time_ns() % 1_000_000))
        print(f"    # FUZZ_SEED={seed}", flush=True)
        self.random = random.Random(seed)

    def valid(self):
        """Returns the body of a message that might be granted."""
        raise NotImplementedError

    def spares(self, command, attributes):
        """Returns whether this one is not to be sent."""
        raise NotImplementedError

    def junk(self, depth=0):
        """Returns attributes of any kind and length, nested now and then."""
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
        """Flips, cuts and repeats parts of a body."""
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
        """Returns the body of one message."""
        r = self.random
        kind = r.random()
        if kind < 0.5:
            return self.valid()
        if kind < 0.65:
            return self.junk()
        if kind < 0.67:
            return r.randbytes(r.choice((4096, 30_000)))
        return self.mutate(r.choice((self.valid, self.valid, self.junk))())

    def send(self, connection):
        """Sends one message, now and then with lies in its headers too."""
        r = self.random
        command = r.choice(self.commands) if r.random() < 0.95 else r.randrange(256)
        attributes = self.attributes()
        if self.spares(command, attributes):
            return
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

    def rage(self, connections, meanwhile):
        """Sends by all of the connections in turn, and looks after what has to live on."""
        for connection in connections:
            connection.sock.setblocking(False)
        sent, deadline = 0, time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            for connection in connections:
                self.send(connection)
                connection.drain()
            sent += len(connections)
            if sent % 3000 == 0:
                meanwhile()
        print(f"    # {sent} messages", flush=True)
        check(sent > 1000, f"only {sent} messages were sent")
        meanwhile()


def kinds(attributes):
    """Returns the numbers of the attributes of a message, as far as it can be read."""
    while len(attributes) >= 4:
        length, kind = struct.unpack_from("=HH", attributes)
        if length < 4:
            return
        yield kind & 0x3FFF
        attributes = attributes[(length + 3) & ~3:]


def judge_state(lab, schedulers):
    """Checks that what was granted adds up."""
    seen = set()
    for entry in lab.services():
        name = entry["protocol"], entry["address"], entry["port"]
        check(name not in seen, f"service {name} is listed twice")
        seen.add(name)
        check(entry["protocol"] in ("tcp", "udp", "sctp") and 0 < entry["port"] < 65536
              and entry["scheduler"] in schedulers, f"a service that cannot be: {entry}")
        places = [(d["address"], d["port"]) for d in entry["destinations"]]
        check(len(places) == len(set(places)), f"destinations of {name} are listed twice: {places}")
        for target in entry["destinations"]:
            check(0 < target["port"] < 65536 and 0 <= target["weight"] < 65536,
                  f"a destination that cannot be: {target}")
