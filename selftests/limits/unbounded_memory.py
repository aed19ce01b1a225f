# SPDX-License-Identifier: GPL-2.0
"""An ordinary user's services and destinations are charged to it and bounded in number.

Unbounded, root of a namespace of its own takes 246 MiB of destinations in six seconds.
"""

import contextlib
import errno
import os
import socket
import subprocess
from pathlib import Path

from lib import ipvs, kernel
from lib.clients import refusal, talk
from lib.genl import Director
from lib.ipvs import Ipvs
from lib.ktap import check, each, equal, is_debug_kernel, seconds, wait_until
from lib.lab import FAMILIES, FLOWS, TCP, TCP4, UDP4, Lab
from lib.maker import KIB, Maker, host
from lib.packets import Raw, datagram

MIB = KIB * KIB
TOTAL = Path("/proc/sys/net/ipv4/vs/conn_max_total")  # of the namespace of the host itself
MESSAGE = "new connections are refused"
COUNT = 6000  # destinations, of which one takes 600 bytes at least
AHEAD = 64 * 4 * KIB * os.cpu_count()  # what a group may be charged before it is used


def test_who_makes_destinations_is_charged_for_them():
    """For all that is taken, and no other is. What was deleted is given back, and all with the
    namespace."""
    with Maker() as maker:
        equal(maker.ask("service(80)"), None, "the service")
        equal(maker.ask("destinations(80, 7001, 7010)"), None, "some destinations")
        before = maker.number("memory.current"), host()
        equal(maker.ask(f"destinations(80, 8001, {8000 + COUNT})"), None, "the destinations")
        charged, taken = maker.number("memory.current") - before[0], host() - before[1]
        print(f"    # {COUNT} destinations: {charged // KIB} KiB are charged, {taken // KIB} KiB "
              "more are in use")
        check(charged >= COUNT * 600 - AHEAD, f"{charged} bytes for {COUNT} destinations are charged")
        # The debug kernel's checkers have memory of their own for each piece.
        check(is_debug_kernel() or charged >= taken * 0.9 - AHEAD,
              f"{charged} bytes are charged of {taken} that were taken")
        maker.ask("delete(80)")
        wait_until(lambda: maker.number("memory.current") - before[0] < charged // 4 + AHEAD,
                   "what was deleted is given back", limit=15)
        equal(maker.ask(f"service(80) or destinations(80, 8001, {8000 + COUNT})"), None, "others")
        wait_until(lambda: maker.kernel() > COUNT * 600, "they are charged as kernel memory")
        maker.end()
        wait_until(lambda: maker.kernel() < COUNT * 60,
                   lambda: f"{maker.kernel()} bytes are charged without the namespace", limit=20)


def test_the_makers_limit_holds():
    """Where the bounds are higher: a process of the user's ends, and the host keeps its memory."""
    limit, lab = 32 * MIB, Lab()
    with Maker(limit) as maker:
        maker.allow("dest_max", UNBOUNDED)
        before, made = host(), 0
        for port in range(20001, 20021):
            if not maker.ask(f"(service({port}) or destinations({port}, 1001, 9000)) is None"):
                break
            made += 8000
        check(made < 160000, f"{made} destinations were made with {limit // MIB} MiB")
        check(maker.events()["oom_kill"] > 0, f"what has ended it: {maker.events()}")
        check(maker.number("memory.peak") <= limit + AHEAD, f"{maker.number('memory.peak')} bytes")
        taken = host() - before
        check(taken < 2 * limit, f"{taken // MIB} MiB more are in use")
    equal(lab.services(), [], "services of another namespace")


# Bounds.

SVC_MAX, DEST_MAX = 1000, 10000  # in namespaces that are not the host's
UNBOUNDED = 2147483647
SVC_MAX_NAME, DEST_MAX_NAME = "net.ipv4.vs.svc_max", "net.ipv4.vs.dest_max"


def test_bounds_on_services():
    """As many as the setting says, of all protocols together; one that was deleted makes room."""
    with Maker() as maker:
        equal(maker.ask("read('svc_max')"), str(SVC_MAX), "the default")
        maker.ask("write('svc_max', 100)")
        made, (number, text) = maker.ask("services(1, 2000)")
        equal((made, number), (100, errno.ENOSPC), "services, and what came then")
        check("net.ipv4.vs.svc_max" in text, text)
        for flow in ("TCP6", "UDP4"):
            equal(maker.ask(f"service(3000, {flow})[0]"), errno.ENOSPC, f"one of {flow}")
        equal(maker.ask("delete(1) or service(3000)"), None, "another one in place of the first")


@each(("TCP4", "TCP6"))
def test_bounds_on_destinations(flow):
    """Of all services together; a request makes all that it asks for or none."""
    with Maker() as maker:
        equal(maker.ask("read('dest_max')"), str(DEST_MAX), "the default")
        ask = f"write('dest_max', 1000) or service(20080, {flow}) or service(20081, {flow})"
        equal(maker.ask(f"{ask} or destinations(20080, 1, 900, {flow})"), None, "most of them")
        number, text = maker.ask(f"destinations(20081, 1, 101, {flow})")
        equal(number, errno.ENOSPC, "more than there is room for")
        check("net.ipv4.vs.dest_max" in text, text)
        equal(maker.ask(f"destinations(20081, 1, 100, {flow})"), None, "as many as there is room")
        equal(maker.ask(f"destinations(20081, 101, 101, {flow})[0]"), errno.ENOSPC, "one more")
        ask = f"delete(20080, {flow}) or destinations(20081, 101, 1000, {flow})"
        equal(maker.ask(ask), None, "others in place of deleted ones")


@each(FAMILIES)
def test_deleted_destinations_with_connections(lab, flow):
    """They drain, and what replaces them has its own bound; but they do not become ever more."""
    lab.servers.listen(flow, range(8001, 8005))
    name = lab.balance(flow, ports="8001-8002")
    lab.lb.sysctl(DEST_MAX_NAME, 2)
    try:
        there = []
        for first in (8001, 8003):
            there += [talk(lab.client, flow) for _ in range(2)]
            lab.rlvs(f"dest del {name} :{first}-{first + 1}")
            if first == 8001:
                # What another subtest has left drains too, for a second.
                wait_until(lambda: lab.try_rlvs(f"dest add {name} :8003-8004").returncode == 0,
                           "others take their place")
        text = lab.refused(f"dest add {name} :8005")
        check(DEST_MAX_NAME in text, text)
        for conversation in there:
            conversation.close()
    finally:
        lab.lb.sysctl(DEST_MAX_NAME, DEST_MAX)


@each(FAMILIES)
def test_clients_of_ip_vs_are_told(lab, flow):
    """By the errno alone, as all that it says."""
    asked = Ipvs(lab.lb)
    for setting, usual, command, attributes in (
            (SVC_MAX_NAME, SVC_MAX, ipvs.NEW_SERVICE,
             ipvs.service(ipvs.whole_service(flow, 81))),
            (DEST_MAX_NAME, DEST_MAX, ipvs.NEW_DEST,
             ipvs.service(ipvs.identity(flow)) + ipvs.dest(ipvs.whole_dest(flow, 8002)))):
        lab.reset()
        lab.balance(flow, ports="8001")
        lab.lb.sysctl(setting, 1)
        try:
            equal(asked.request(command, attributes).errno, errno.ENOSPC, setting)
        finally:
            lab.lb.sysctl(setting, usual)
        equal(asked.request(command, attributes), [], f"the same with {setting} as it was")


def test_who_sets_bounds():
    """Root of a namespace may lower them and take that back; more only the host's root allows."""
    with Maker() as maker:
        for name, usual in (("svc_max", SVC_MAX), ("dest_max", DEST_MAX)):
            equal(maker.ask(f"write('{name}', {usual + 1})"), errno.EINVAL, f"{name} raised")
            equal(maker.ask(f"write('{name}', 1)"), None, f"{name} lowered")
            equal(maker.ask(f"write('{name}', {usual})"), None, f"{name} as before")
        most = int(maker.ask("read('conn_max')"))
        equal(maker.ask(f"write('conn_max', {most + 1})"), errno.EINVAL, "conn_max raised")
        equal(maker.ask("write('conn_max_total', 1)"), errno.EACCES, "conn_max_total")
        maker.ask("write('svc_max', 1)")
        equal(maker.ask("service(80)"), None, "the first service")
        equal(maker.ask("service(81)")[0], errno.ENOSPC, "the second one")
        equal(maker.ask("write('svc_max', 0)"), None, "a bound below what there is")
        equal(maker.ask("destinations(80, 1, 10)"), None, "destinations of what there is")
        maker.allow("svc_max", 5000)
        equal(maker.ask("read('svc_max')"), "5000", "what the host's root has set")
        equal(maker.ask("write('svc_max', 4000) or write('svc_max', 5000)"), None, "what is allowed")


def test_the_hosts_own_namespace_has_no_bounds():
    """But may have."""
    for name in ("svc_max", "dest_max"):
        equal(int(TOTAL.with_name(name).read_text(encoding="ascii")), UNBOUNDED, name)


# The ceiling.


class Ceiling:
    """`with Ceiling(100):` so many entries are allowed to all namespaces."""

    def __init__(self, most):
        self.most, self.usual = str(most), TOTAL.read_text(encoding="ascii")

    def __enter__(self):
        TOTAL.write_text(self.most, encoding="ascii")

    def __exit__(self, *_):
        TOTAL.write_text(self.usual, encoding="ascii")


@each(FLOWS)
def test_the_ceiling(lab, flow):
    """For remote and local clients: connections go on, new ones are refused and counted."""
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    with talk(lab.client, flow) as there:
        with Ceiling(0):
            for where in (lab.client, lab.lb):
                before = lab.counter("total_full")
                met = refusal(where, flow, limit=0.1)
                check(met in ("timeout", "dropped"), f"a connection too many was {met}")
                wait_until(lambda b=before: lab.counter("total_full") > b,
                           "the refusal is counted")
            there.bulk(20_000)
        talk(lab.client, flow).close()
        there.say(b"still here")


@each(TCP)
def test_steered_connections_above_the_ceiling(lab, flow):
    """They are made, but not counted for their destination."""
    lab.servers.listen(flow, [8001])
    lab.steer(flow, ports="8001")
    before = lab.counter("uncounted")
    with Ceiling(0):
        talk(lab.client, flow).close()
    equal(lab.counter("uncounted"), before + 1, "uncounted")


def test_the_ceiling_holds_in_a_flood(lab):
    """Whichever namespaces they come to. Each processor may be out by 64; a quarter is the host's
    own."""
    labs, log, most = (lab, Lab()), kernel.Log(), 1200
    names = "total_full", "connections", "early_expired"
    before = [{name: one.counter(name) for name in names} for one in labs]

    def since():
        return {name: sum(one.counter(name) - old[name] for one, old in zip(labs, before))
                for name in names}

    lines = [Raw(one.client, "eth", one.lb, "wan") for one in labs]
    for one in labs:
        one.servers.listen(UDP4, [8001])
        one.balance(UDP4, ports="8001")
    with Ceiling(most):
        # Flows that are answered, which none but the ceiling ends before the test is over.
        for port in range(2000, 2700):
            for line in lines:
                line.send(datagram(UDP4.client2, UDP4.vip, port, 80, b"one of many"))
        wait_until(lambda: since()["total_full"] + since()["connections"] >= 1400,
                   lambda: f"all of the flood was counted: {since()}")
        met, allowed = since(), most * 3 // 4
        check(met["connections"] <= allowed + 64 * os.cpu_count() + met["early_expired"],
              f"1400 attempts, allowed are {allowed}: {met}")
        check(met["total_full"] > 0, f"nothing was refused: {met}")
        said = [line for line in log.lines() if MESSAGE in line]
        check(1 <= len(said) <= 2, f"messages in the log: {said}")
        the_host_gets_one_still()
    for one in labs:
        one.reset()


def the_host_gets_one_still():
    """A connection in the namespace that the host was booted with."""
    director = Director(contextlib.nullcontext())
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    before = director.counter("connections")
    with socket.create_server(("127.0.0.1", 8001)):
        director.add(TCP4, 80, "8001", "rr", "127.0.0.1")
        socket.create_connection(("127.0.0.1", 80), seconds(3)).close()
    equal(director.counter("connections"), before + 1, "connections of the host's own")
    director.flush_now()
