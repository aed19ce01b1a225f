# SPDX-License-Identifier: GPL-2.0
"""net.ipv4.vs.conn_max bounds the connections of a namespace."""

import os
import socket
import time

from lib import kernel
from lib.clients import refusal, talk
from lib.ktap import check, each, equal, wait_until
from lib.lab import FLOWS, TCP4, TCP6, UDP4, Lab
from lib.packets import Raw, segment

SETTING = "net.ipv4.vs.conn_max"
PATH = "/proc/sys/net/ipv4/vs/conn_max"
MOST_BY_DEFAULT = 4194304
MOST = 1 << 27
MESSAGE = "new connections are refused"


class Limit:
    """`with Limit(lab, 3):` lets the director have three connections."""

    def __init__(self, lab, most):
        self.lab, self.most, self.usual = lab, most, lab.lb.read(PATH)

    def __enter__(self):
        self.lab.lb.sysctl(SETTING, self.most)

    def __exit__(self, *_):
        self.lab.lb.sysctl(SETTING, self.usual)


def attempts(lab, flow, where):
    """Packets of one new connection that nobody may have: refused and counted."""
    before = lab.counter("table_full")
    met = refusal(where, flow, limit=0.1)
    check(met in ("timeout", "dropped"), f"a connection too many was {met}")
    wait_until(lambda: lab.counter("table_full") > before, "the refusal is counted")


def test_the_message_comes_once(lab):
    """Each namespace has its own, and a flood does not write one for each packet."""
    other = Lab()
    log = kernel.Log()
    for director in (lab, other):
        director.servers.listen(UDP4, [8001])
        director.balance(UDP4, ports="8001")
        before = director.counter("table_full")
        with Limit(director, 0), director.client:
            for _ in range(30):
                with socket.socket(UDP4.family, socket.SOCK_DGRAM) as client:
                    client.sendto(b"one too many", (UDP4.vip, 80))
            wait_until(lambda d=director, b=before: d.counter("table_full") == b + 30,
                       "each refusal is counted")
        lines = [line for line in log.lines() if MESSAGE in line]
        equal(len(lines), 1, f"messages in the log: {lines}")
        inode = os.stat(director.lb.path).st_ino
        check(f"net:[{inode}]" in lines[0], f"{lines[0]!r} does not name namespace {inode}")
    other.reset()


@each(FLOWS)
def test_no_more_than_that(lab, flow):
    """The ones that are there go on, and when one has ended there is room for another."""
    lab.servers.listen(flow, [8001, 8002])
    service = lab.balance(flow, ports="8001-8002")
    with Limit(lab, 3):
        there = [talk(where, flow) for where in (lab.client, lab.lb, lab.client)]
        for where in (lab.client, lab.lb):
            attempts(lab, flow, where)
        equal(lab.counter("entries"), 3, "entries")
        for conversation in there:
            conversation.bulk(20_000)
        lab.rlvs(f"dest del {service} :8002 --now")
        equal(lab.counter("entries"), 2, "entries without the second destination's")
        with talk(lab.client, flow) as conversation:
            equal(conversation.port, 8001, "the server of the new connection")
            attempts(lab, flow, lab.client)
        there[0].say(b"still here")
    for conversation in there:
        conversation.close()


@each([TCP4, UDP4])
def test_a_lower_limit_ends_nothing(lab, flow):
    """Nor does zero, which lets nobody in."""
    lab.servers.listen(flow, [8001, 8002])
    lab.balance(flow, ports="8001-8002")
    there = [talk(lab.client, flow) for _ in range(4)]
    for most in (2, 0):
        with Limit(lab, most):
            attempts(lab, flow, lab.client)
            equal(lab.counter("entries"), 4, f"entries with a limit of {most}")
            for conversation in there:
                conversation.bulk(20_000)
    talk(lab.client, flow).close()
    for conversation in there:
        conversation.close()


def test_both_families_together(lab):
    """And each protocol: the limit is the namespace's."""
    for flow in FLOWS:
        lab.servers.listen(flow, [8001])
        lab.balance(flow, ports="8001")
    with Limit(lab, 2):
        with talk(lab.client, TCP6), talk(lab.client, UDP4):
            for flow in FLOWS:
                attempts(lab, flow, lab.client)


@each([TCP4, TCP6])
def test_the_limit_holds_in_a_flood(lab, flow):
    """From both processors: a few more than allowed may slip in, one for each of them, and as many
    as the half-open ones that make room meanwhile on a slow machine."""
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    line = Raw(lab.client, "eth", lab.lb, "wan")
    names = ("table_full", "connections", "early_expired")
    before = {name: lab.counter(name) for name in names}

    def since():
        return {name: lab.counter(name) - before[name] for name in names}

    with Limit(lab, 100):
        begun = time.monotonic()
        for port in range(1024, 1624):
            line.send(segment(flow.client2, flow.vip, port, 80))
            if port % 50 == 0:
                entries = lab.counter("entries")
                check(entries <= 100 + os.cpu_count(), f"{entries} entries, allowed are 100")
        wait_until(lambda: since()["table_full"] + since()["connections"] >= 600,
                   lambda: f"all of the flood was counted: {since()}")
        met, took = since(), time.monotonic() - begun
        # Those that the client's host has reset are over after ten seconds, and make room, too.
        check(100 <= met["connections"] and (
            took > 9 or met["connections"] <= 100 + os.cpu_count() + met["early_expired"]),
              f"600 attempts in {took:.1f} s, allowed are 100 at a time: {met}")
        check(met["table_full"] > 0, f"nothing was refused: {met}")


def set_to(lab, value):
    """Writes the setting of the director; the error, if there is one."""
    try:
        lab.lb.sysctl(SETTING, value)
    except OSError as error:
        return error.strerror
    return ""


def default(lab):
    """What a namespace other than the host's may have: a quarter of what all together may."""
    return min(MOST_BY_DEFAULT, int(lab.lb.read(PATH + "_total")) // 4)


def test_the_setting(lab):
    """Its values, and that each namespace has its own."""
    usual = f"{default(lab)}\n"
    equal(lab.lb.read(PATH), usual, "the default")
    for wrong in (-1, MOST + 1, "many"):
        check(set_to(lab, wrong), f"{wrong} was taken")
    equal(lab.lb.read(PATH), usual, "the setting after wrong values")
    with Limit(lab, MOST):
        equal(lab.lb.read(PATH), f"{MOST}\n", "the setting")
        equal(lab.client.read(PATH), usual, "another namespace's setting")


def test_who_may_raise_it(lab):
    """Root of a container may lower it and take that back, but not take more of the host's
    memory than the host's administrator allows."""
    usual = default(lab)
    script = f"""
        cat {PATH}
        echo 5 > {PATH}; cat {PATH}
        echo {usual} > {PATH}; cat {PATH}
        if echo {usual + 1} > {PATH}; then echo taken; else echo refused; fi
        echo 1 > /proc/sys/net/ipv4/vs/csum_complete
    """
    done = lab.lb.run("unshare", "--user", "--map-root-user", "--net", "sh", "-c", script)
    equal((done.returncode, done.stdout.split()),
          (0, [str(usual), "5", str(usual), "refused"]), f"what came of it: {done.stderr}")
