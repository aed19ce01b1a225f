# SPDX-License-Identifier: GPL-2.0
"""The family IPVS survives a storm of random messages (lib/storm.py).

Meanwhile the files of /proc/net are read.
"""

import struct
import subprocess

from lib import ipvs
from lib.clients import talk
from lib.genl import attr
from lib.ipvs import (DEST, SERVICE, Ipvs, be16, dest, identity, service, string, u16, u32,
                      whole_dest, whole_service)
from lib.ktap import check, equal
from lib.lab import FLOWS, SCTP, TCP4
from lib.storm import SECONDS, Storm, judge_state

LIMIT = SECONDS + 240
KINDS = ("rr", "wrr", "lc", "wlc", "sed", "nq", "fo", "ovf", "sh", "dh", "mh", "lblc", "lblcr",
         "twos", "p2c", "jsq")
SCHEDULERS = KINDS + ("", "none", "nosuch", "s" * 15, "s" * 16)
NUMBERS = (0, 1, 2, 4, 7, 31, 32, 33, 64, 128, 129, 100, 65535, 65536, 1 << 31, 0xFFFFFFFF)
FILES = ("ip_vs", "ip_vs_conn", "ip_vs_conn_sync", "ip_vs_stats", "ip_vs_stats_percpu")


class OfIpVs(Storm):
    """Messages of the family IPVS."""

    commands = range(1, 18)

    def some(self, attributes):
        """All of them, or not all, in any order."""
        r = self.random
        chosen = list(attributes.values())
        if r.random() < 0.3:
            r.shuffle(chosen)
            del chosen[r.randrange(len(chosen)):]
        return dict(enumerate(chosen))

    def a_service(self):
        """One of few, with attributes that may be right."""
        r = self.random
        flow = r.choice(FLOWS + SCTP)
        attributes = whole_service(flow, r.choice((80, 81, 82, 0)), r.choice(SCHEDULERS),
                                   r.choice((0, 1, 2, 4, 8, 16, r.randrange(1 << 32))),
                                   r.choice((0, 0xFFFFFFFF, r.randrange(1 << 32))),
                                   r.choice(NUMBERS), r.choice((0xFFFFFFFF, 128, *NUMBERS)))
        if r.random() < 0.4:
            attributes = identity(flow, r.choice((80, 81, 82)))
        if r.random() < 0.1:
            attributes[ipvs.S_FWMARK] = u32(ipvs.S_FWMARK, r.choice(NUMBERS))
        if r.random() < 0.1:
            attributes[ipvs.S_PE] = string(ipvs.S_PE, r.choice(("sip", "", "p" * 16)))
        return service(self.some(attributes))

    def a_destination(self):
        """The same of a destination."""
        r = self.random
        flow = r.choice(FLOWS + SCTP)
        attributes = whole_dest(
            flow, r.choice((8001, 8002, 80, 0, 65535)),
            r.choice((flow.vip, flow.vip, flow.vip2, "203.0.113.1", "224.0.0.1", "::1")),
            r.choice(NUMBERS), r.choice((0, 0, *NUMBERS)), r.choice(NUMBERS), r.choice(NUMBERS))
        if r.random() < 0.2:
            attributes |= {ipvs.D_TUN_TYPE: attr(ipvs.D_TUN_TYPE, bytes([r.randrange(256)])),
                           ipvs.D_TUN_PORT: be16(ipvs.D_TUN_PORT, r.randrange(65536)),
                           ipvs.D_TUN_FLAGS: u16(ipvs.D_TUN_FLAGS, r.randrange(65536))}
        return dest(self.some(attributes))

    def valid(self):
        r = self.random
        kind = r.random()
        if kind < 0.4:
            return self.a_service()
        if kind < 0.8:
            return self.a_service() + self.a_destination()
        if kind < 0.9:
            return b"".join(u32(kind, r.choice(NUMBERS)) for kind in (
                ipvs.TIMEOUT_TCP, ipvs.TIMEOUT_TCP_FIN, ipvs.TIMEOUT_UDP) if r.random() < 0.7)
        return r.choice((attr(SERVICE), attr(DEST), ipvs.nest(ipvs.DAEMON, u32(1, 1)), b""))

    def spares(self, command, attributes):
        """Nothing: a flush lets connections go on."""
        return False


def test_the_family_outlives_it(lab):
    for flow in FLOWS:
        lab.servers.listen(flow, (8001, 8002))
    lab.balance(TCP4, ports="8001-8002", port=4711)
    kept = talk(lab.client, TCP4, 4711)

    def meanwhile():
        kept.say(b"still there?")
        for name in FILES:
            check(lab.lb.read(f"/proc/thread-self/net/{name}"), f"{name} is empty")

    with lab.lb:
        reader = subprocess.Popen(["sh", "-c", "while cat /proc/net/ip_vs* >/dev/null; do :; done"])
    try:
        OfIpVs().rage([Ipvs(lab.lb), Ipvs(lab.lb)], meanwhile)
        equal(reader.poll(), None, "the status of who reads the files")
    finally:
        reader.kill()
        reader.wait()
    judge_state(lab, KINDS)
    family = Ipvs(lab.lb)
    judge_lists(lab, family)
    kept.close()
    family.flush()
    equal(lab.services(), [], "services after a flush")
    timeouts = (ipvs.TIMEOUT_TCP, 900), (ipvs.TIMEOUT_TCP_FIN, 120), (ipvs.TIMEOUT_UDP, 300)
    family.must(ipvs.SET_CONFIG, b"".join(u32(kind, value) for kind, value in timeouts))
    lab.balance(TCP4, ports="8001-8002")
    with talk(lab.client, TCP4) as conversation:
        conversation.bulk(20_000)


def judge_lists(lab, family):
    """Both families list the same."""
    def name(entry):
        number = {"tcp": 6, "udp": 17, "sctp": 132}[entry["protocol"]]
        return number, ipvs.wide(entry["address"]), entry["port"]

    ours = sorted((name(entry), len(entry["destinations"])) for entry in lab.services())
    theirs = sorted(((struct.unpack("=H", one[ipvs.S_PROTOCOL])[0], one[ipvs.S_ADDR],
                      struct.unpack("!H", one[ipvs.S_PORT])[0]), len(one["destinations"]))
                    for one in family.services())
    equal(theirs, ours, "services with the number of their destinations")
