# SPDX-License-Identifier: GPL-2.0
"""Events report to each member of their group what becomes of destinations."""

import re
import signal
import socket
import time

from lib import kernel
from lib.clients import refusal, talk
from lib.events import Events, Watch
from lib.genl import N, attr, destination, service
from lib.ktap import check, each, equal, fewer, wait_until
from lib.lab import Lab, TCP, TCP4, TCP6, UDP, UDP4, UDP6

SPELL = 1.5  # seconds: the module looks once a second who listens
MANY = 200  # more events than a socket's buffer holds


class make_lab(Lab):  # pylint: disable=invalid-name; the runner calls it
    """Where each subtest is the first that listens, as far as the module knows."""

    def reset(self):
        super().reset()
        time.sleep(SPELL)


def set_weight(lab, flow, weight, first=8001, last=None):
    """Changes weights by netlink."""
    lab.director().must(N["RLVS_CMD_DESTINATION_SET"],
                        destination(service(flow, 80), first, last, weight=weight))


@each([TCP4, UDP6])
def test_the_tool_prints_lines(lab, flow):
    """One JSON object a line, at once, until it is interrupted."""
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    with Watch(lab) as watch:
        set_weight(lab, flow, 0)
        line = watch.wait("draining")
        check(abs(time.time() - line.pop("time")) < 60, "the time is not now")
        equal(line, {
            "event": "draining",
            "service": {"protocol": flow.protocol, "address": flow.vip, "port": 80},
            "destination": {"address": flow.vip, "port": 8001},
            "in_flight": 0,
        }, "the line")
        watch.wait("drained")
        set_weight(lab, flow, 1)
        watch.wait("resumed")
        lab.servers.stop(flow, 8001)
        watch.wait("down")
        lab.servers.listen(flow, [8001])
        watch.wait("up")
        equal(watch.seen, ["watching", "draining", "drained", "resumed", "down", "up"], "lines")
        watch.process.send_signal(signal.SIGINT)
        equal(watch.ended(), (-signal.SIGINT, ""), "how it ended")


@each([TCP6, UDP4])
def test_who_listens(lab, flow):
    """Of the wildcard address, of a group that shares the port, of another port."""
    lab.balance(flow, ports="8001-8002")
    events = Events(lab.lb)
    for port in (8001, 8002):
        equal(events.wait(("down", port))["service"], (flow.protocol, flow.vip, 80), "its service")
    lab.servers.listen(flow, [8001], address=flow.any, reuse_port=True)
    equal(events.wait("up")["port"], 8001, "the one that is up")
    # One that takes over while the other goes, as in a rolling restart: nothing has happened.
    lab.servers.listen(flow, [8001], reuse_port=True)
    lab.servers.stop(flow, 8001, address=flow.any)
    equal(events.quiet(), [], "events while one takes over")
    lab.servers.stop(flow, 8001)
    events.wait(("down", 8001))
    lab.servers.listen(flow, [8002], address=flow.vip2)
    equal(events.quiet(), [], "events of another address")
    events.close()


@each([TCP6])
def test_listeners_bound_to_a_device(lab, flow):
    lab.balance(flow, ports="8001")
    events = Events(lab.lb)
    events.wait("down")
    bound = (socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"wan")
    lab.servers.listen(flow, [8001], options=[bound])
    events.wait("up")
    events.close()


def test_a_newcomer_is_told_what_is_unusual(lab):
    """And who listens already hears it once more; what is usual is told to nobody."""
    lab.servers.listen(TCP4, [8001, 8002])
    lab.balance(TCP4, ports="8001-8004")
    set_weight(lab, TCP4, 0, 8002)
    unusual = {("draining", 8002), ("drained", 8002), ("down", 8003), ("down", 8004)}
    first = Events(lab.lb)

    def told(events):
        wait_until(lambda: events.read() is not None and unusual <= set(events.brief()),
                   lambda: f"all that is unusual is told; {events.brief()} was")

    told(first)
    equal(first.quiet(), [], "what is told twice")
    second = Events(lab.lb)
    told(second)
    equal(set(second.brief()), unusual, "what a second one is told")
    # When nobody listens, nothing is remembered.
    for events in (first, second):
        events.close()
    time.sleep(SPELL)
    third = Events(lab.lb)
    told(third)
    equal(set(third.brief()), unusual, "what a third one is told")
    third.close()


@each([TCP6, UDP4])
def test_deleted_and_added_destinations(lab, flow):
    lab.servers.listen(flow, [8001])
    name = lab.balance(flow, ports="8001")
    events = Events(lab.lb)
    equal(events.quiet(), [], "events of what is usual")
    with talk(lab.client, flow) as conversation:
        lab.rlvs(f"dest del {name} :8001")
        equal(events.wait("draining")["in_flight"], 1, "in flight")
        equal(events.quiet(), [], "events while the connection is open")
        lab.rlvs(f"dest add {name} :8001 --method nat")
        events.wait("resumed")
        lab.rlvs(f"service del {name}")
        events.wait("draining")
        conversation.close(reset=flow.protocol == "tcp")
    if flow.protocol == "tcp":
        events.wait("drained")
    lab.balance(flow, ports="8001")
    events.wait("resumed")
    lab.rlvs("flush --now")
    events.wait("drained")
    equal([kind for kind, _ in events.brief() if kind in ("up", "down")], [], "up and down")
    events.close()


@each(TCP)
def test_a_full_accept_queue(lab, flow):
    """A process that accepts nothing, and then does."""
    with lab.lb:
        listener = flow.socket()
    listener.bind((flow.vip, 8001))
    listener.listen(1)
    lab.balance(flow, ports="8001")
    events, clients = Events(lab.lb), []
    for _ in range(2):  # as many as the backlog says, and one more
        with lab.client:
            clients.append(flow.socket())
        clients[-1].settimeout(5)
        clients[-1].connect((flow.vip, 80))
    events.wait("overloaded")
    listener.accept()[0].close()
    events.wait("not-overloaded")
    equal(events.brief(), [("overloaded", 8001), ("not-overloaded", 8001)], "events")
    for sock in (listener, *clients):
        sock.close()
    events.close()


@each(UDP)
def test_a_full_receive_buffer(lab, flow):
    with lab.lb:
        server = flow.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the smallest
    server.bind((flow.vip, 8001))
    lab.balance(flow, ports="8001")
    events = Events(lab.lb)
    with lab.client:
        client = flow.socket()
    client.connect((flow.vip, 80))
    for _ in range(20):
        client.send(b"x" * 500)
    events.wait("overloaded")
    server.setblocking(False)
    received = 0
    try:
        while server.recv(1000):
            received += 1
    except BlockingIOError:
        pass
    check(0 < received < 20, f"{received} datagrams fitted")
    events.wait("not-overloaded")
    for sock in (client, server):
        sock.close()
    events.close()


@each([TCP6, UDP4])
def test_the_bound_on_connections(lab, flow):
    lab.servers.listen(flow, [8001])
    name = lab.balance(flow, ports="8001")
    lab.rlvs(f"dest edit {name} :8001 --max-connections 1")
    events = Events(lab.lb)
    with talk(lab.client, flow):
        events.wait("overloaded")
        equal(refusal(lab.client, flow), "refused", "another connection")
        lab.rlvs(f"dest edit {name} :8001 --max-connections 0")
        events.wait("not-overloaded")
    events.close()


def test_only_this_namespace(lab):
    """Events of one namespace are not seen in another."""
    events, others = Events(lab.lb), Events(lab.client)
    lab.balance(TCP4, ports="8001")
    events.wait("down")
    equal(others.quiet(0.5), [], "events in the client's namespace")
    for joined in (events, others):
        joined.close()


def test_lost_events_are_told(lab):
    """A reader that is too slow learns that it has missed something, and goes on."""
    lab.balance(TCP4, ports="10001")
    with Watch(lab) as watch:
        watch.wait("down")
        watch.process.send_signal(signal.SIGSTOP)
        director = lab.director()
        director.must(N["RLVS_CMD_DESTINATION_ADD"],
                      destination(service(TCP4, 80), 20001, 20000 + MANY))
        for weight in (0, 1):
            director.must(N["RLVS_CMD_DESTINATION_SET"],
                          destination(service(TCP4, 80), 20001, 20000 + MANY, weight=weight))
        watch.process.send_signal(signal.SIGCONT)
        equal(set(watch.wait("lost", limit=20)), {"time", "event"}, "fields of the line")
        director.must(N["RLVS_CMD_FLUSH"], attr(N["RLVS_A_SERVICE_CUT"]))
        # Whatever is still lost: one that is told afterwards comes through.
        lab.balance(TCP4, ports="30001")
        wait_until(lambda: watch.wait("down", 20)["destination"]["port"] == 30001,
                   "the event of a new destination", limit=30)


def test_flapping_does_not_flood(lab):
    """A listener that comes and goes all the time has two events a second at most."""
    lab.balance(TCP4, ports="8001")
    events, begun, turns = Events(lab.lb), time.monotonic(), 0
    while time.monotonic() - begun < 4:
        with lab.lb:
            sock = TCP4.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((TCP4.vip, 8001))
        sock.listen()
        sock.close()
        turns += 1
    events.read()
    took = time.monotonic() - begun
    check(turns > fewer(100, 20), f"it came and went only {turns} times")
    check(len(events.seen) <= took + 2, f"{len(events.seen)} events in {took:.1f} seconds")
    events.close()


def test_nobody_is_asked_when_nobody_listens(lab):
    """What is noted of the past is not told to one who comes later."""
    lab.servers.listen(TCP4, [8001])
    lab.balance(TCP4, ports="8001")
    Events(lab.lb).close()
    lab.servers.stop(TCP4, 8001)
    time.sleep(SPELL)
    lab.servers.listen(TCP4, [8001])
    events = Events(lab.lb)
    equal(events.quiet(), [], "events")
    events.close()


def test_the_module_is_unloaded(lab):
    """A watcher does not wait for ever for what cannot come."""
    lab.balance(TCP4, ports="8001")
    watch = Watch(lab)
    kernel.remove()
    try:
        status, text = watch.ended()
    finally:
        kernel.insert()
        watch.close()
    equal((status, bool(re.search("unloaded", text))), (1, True), f"how it ended: {text}")
