# SPDX-License-Identifier: GPL-2.0
"""The connections counted at a destination are always exactly its entries in the table."""

import collections
import os
import random

from lib.clients import talk
from lib.genl import N, attr, destination, service
from lib.ktap import Failure, check, each, equal, fewer, in_time, wait_until
from lib.lab import TCP4, TCP6, UDP4, UDP6

LIMIT = 400
ACTIVE = {"ESTABLISHED", "SYN_SENT", "SYN_RECEIVED", "SYN_ACK", "UDP", "UDP_UNANSWERED"}
PORTS = range(8001, 8005)
DESTINATION_CUT = attr(N["RLVS_A_DESTINATION_CUT"])
SERVICE_CUT = attr(N["RLVS_A_SERVICE_CUT"])


def rounds():
    """Changes that are made."""
    return 2000 if os.environ.get("FULL") else fewer(250, 60)


def counted(lab):
    """What the destinations say: active and inactive connections by service and port."""
    return {(s["protocol"], s["address"], d["port"]):
            (d["active_connections"], d["inactive_connections"])
            for s in lab.director().services() for d in s["destinations"]}


def tabled(lab, names):
    """What the entries say of the same destinations."""
    found = collections.Counter()
    for entry in lab.conns():
        name = entry["protocol"], entry["service_address"], entry["destination_port"]
        found[name, entry["state"] in ACTIVE] += 1
    return {name: (found[name, True], found[name, False]) for name in names}


def compare(lab, what):
    """At a quiet moment both are the same; the last packets may still be under way."""

    def same():
        compare.said = counted(lab)
        compare.there = tabled(lab, compare.said)
        return compare.said == compare.there

    wait_until(same, lambda: f"after {what}: counted {compare.said}, in the table {compare.there}",
               limit=3)


class Play:
    """A service that is changed at random, and the conversations with it."""

    def __init__(self, lab, flow, seed):
        self.lab, self.flow = lab, flow
        self.director = lab.director()
        self.random = random.Random(seed)
        self.held = []
        self.present = set()
        self.add_service()

    def add_service(self):
        """As at the start: everything that there can be."""
        self.director.must(N["RLVS_CMD_SERVICE_ADD"], service(self.flow, 80, scheduler="wlc"))
        self.director.must(N["RLVS_CMD_DESTINATION_ADD"],
                           destination(service(self.flow, 80), PORTS[0], PORTS[-1]))
        self.present = set(PORTS)

    # What can happen. Each is a method; its name is told when the counts differ.

    def connect(self):
        """A few new conversations, remote and local."""
        for _ in range(3):
            where = self.random.choice((self.lab.client, self.lab.lb))
            try:
                self.held.append(talk(where, self.flow, limit=2))
            except (OSError, Failure):
                check(not self.usable(), "no conversation though there are destinations")

    def usable(self):
        """Whether any destination takes new connections."""
        return any(d["weight"] for d in self.lab.find(self.flow.service(80))["destinations"])

    def close(self):
        """Half of the conversations end in the orderly way, which leaves inactive entries."""
        for conversation in self.take():
            conversation.close()

    def reset(self):
        """Half of them are reset."""
        for conversation in self.take():
            conversation.close(reset=self.flow.protocol == "tcp")

    def take(self):
        """Half of the conversations, which are held no longer."""
        self.random.shuffle(self.held)
        half = len(self.held) // 2
        taken, self.held = self.held[:half], self.held[half:]
        return taken

    def edit(self):
        """A weight, also 0."""
        if self.present:
            self.director.must(N["RLVS_CMD_DESTINATION_SET"], destination(
                service(self.flow, 80), self.random.choice(sorted(self.present)),
                weight=self.random.choice((0, 1, 5))))

    def delete(self):
        """A destination; its connections go on, or are ended."""
        if self.present:
            port = self.random.choice(sorted(self.present))
            cut = self.random.choice((b"", b"", DESTINATION_CUT))
            self.director.must(N["RLVS_CMD_DESTINATION_DEL"],
                               destination(service(self.flow, 80), port, method=None) + cut)
            self.present.discard(port)

    def add_again(self):
        """A destination that was deleted comes back, maybe while it has connections."""
        if missing := sorted(set(PORTS) - self.present):
            port = self.random.choice(missing)
            self.director.must(N["RLVS_CMD_DESTINATION_ADD"],
                               destination(service(self.flow, 80), port))
            self.present.add(port)

    def scheduler(self):
        """Another one."""
        name = self.random.choice(("rr", "wrr", "wlc"))
        self.director.must(N["RLVS_CMD_SERVICE_SET"], service(self.flow, 80, scheduler=name))

    def zero(self):
        """The statistics; not these counts."""
        self.director.must(N["RLVS_CMD_SERVICE_ZERO"], service(self.flow, 80))

    def service(self):
        """The whole service goes and comes back; its connections go on."""
        self.director.must(N["RLVS_CMD_SERVICE_DEL"], service(self.flow, 80))
        self.add_service()

    def flush(self):
        """Everything ends, and begins again."""
        self.director.must(N["RLVS_CMD_FLUSH"], SERVICE_CUT)
        equal(self.lab.conns(), [], "entries after a flush that ends connections")
        self.end()
        self.add_service()

    def end(self):
        """Lets the conversations go."""
        for conversation in self.held:
            conversation.close()
        self.held = []


MOVES = (["connect"] * 6 + ["close", "reset", "edit", "edit", "delete", "delete", "add_again",
                            "add_again", "add_again", "scheduler", "zero", "service"])


@each([TCP4, TCP6, UDP4, UDP6])
def test_after_changes_at_random(lab, flow):
    seed = random.randrange(1 << 32)
    print(f"    # seed {seed}")
    lab.servers.listen(flow, PORTS)
    play = Play(lab, flow, seed)
    history = []
    for number in range(rounds() // 4):
        move = "flush" if number % 40 == 39 else play.random.choice(MOVES)
        history.append(move)
        getattr(play, move)()
        if move not in ("edit", "zero"):
            compare(lab, f"{', '.join(history[-8:])} (seed {seed})")
    play.end()
    compare(lab, "the end")


def test_when_entries_expire(lab):
    """Those of connections that were reset go after ten seconds, all at their time."""
    lab.servers.listen(TCP4, PORTS)
    lab.balance(TCP4)
    for _ in range(12):
        talk(lab.client, TCP4).close(reset=True)
    staying = [talk(lab.client, TCP4) for _ in range(4)]
    compare(lab, "resets")
    in_time(sum(inactive for _, inactive in counted(lab).values()) == 12, "not twelve inactive")

    def gone():
        compare(lab, "some expired")
        return len(lab.conns()) == len(staying)

    wait_until(gone, "the entries of reset connections have expired", limit=20)
    compare(lab, "all expired")
    equal(sum(active for active, _ in counted(lab).values()), len(staying), "active connections")
    for conversation in staying:
        conversation.close()
