# SPDX-License-Identifier: GPL-2.0
"""Each allocation of the module may fail: a clean error, nothing half done, nothing lost.

One after another, the first, second, third ... allocation that a request makes is failed, until
the request makes no more of them.
"""

import collections
import ctypes
import errno
import os

from lib import faults, ipvs, kernel
from lib.clients import refusal, talk
from lib.events import Events
from lib.genl import N, Director, Error, attr, destination, nest, service
from lib.ktap import check, each, equal, wait_until
from lib.lab import FAMILIES, FLOWS, TCP4, UDP, UDP4, UDP6
from lib.netns import Namespace

LIMIT = 400
MOST = 500  # allocations of one request; far more than any makes
SYS_FINIT_MODULE = 313

_libc = ctypes.CDLL(None, use_errno=True)


def fail_each(action, prepare=lambda: None, verify=lambda outcome: None, step=1):
    """Does something while its first, second ... allocation fails, until it does without one.

    `prepare` comes before each attempt, `verify` gets the outcome of each in which an allocation
    was failed. A `step` leaves some out. Returns how many allocations there were, at most, and
    the outcome of the last attempt.
    """
    nth = faults.Nth()
    try:
        for number in range(1, MOST, step):
            prepare()
            outcome, failed = nth.attempt(number, action)
            if not failed:
                return number - 1, outcome
            verify(outcome)
    finally:
        nth.close()
    check(False, f"still allocating after {MOST} allocations")
    return None


class Fixture:
    """A service with destinations and a live connection, made anew before each request."""

    def __init__(self, lab, flow):
        self.lab, self.flow = lab, flow
        self.director = lab.director()
        self.held = None
        self.before = None

    def prepare(self):
        """As it is before a request; what was refused has changed nothing, as was verified."""
        if self.held:
            return
        self.director.flush_now()
        self.director.add(self.flow, 80, "8001-8004", "rr")
        self.held = talk(self.lab.client, self.flow)
        self.before = self.lab.services()

    def release(self):
        """Lets the connection go."""
        if self.held:
            self.held.close(reset=self.flow.protocol == "tcp")
            self.held = None

    def refused_cleanly(self, outcome):
        """If the request was refused, it was for the memory, it says so, and all is as before."""
        if not isinstance(outcome, Error):
            self.release()  # what failed was not needed: it was had otherwise
            return
        equal(errno.errorcode.get(outcome.errno), "ENOMEM", f"the errno of {outcome}")
        check("memory" in outcome.text, f"the text of {outcome}")
        equal(self.lab.services(), self.before, f"services after {outcome}")
        self.held.say(b"still there?")


CUT = attr(N["RLVS_A_SERVICE_CUT"])
CHANGES = {
    "service add": lambda flow: ("SERVICE_ADD", service(flow, 81, scheduler="wlc")),
    "service edit": lambda flow: ("SERVICE_SET", service(flow, 80, scheduler="wrr")),
    "service delete": lambda flow: ("SERVICE_DEL", service(flow, 80)),
    "service delete and cut": lambda flow: ("SERVICE_DEL", service(flow, 80) + CUT),
    "destination add": lambda flow: ("DESTINATION_ADD", destination(service(flow, 80), 8005, 8010)),
    "destination edit": lambda flow: (
        "DESTINATION_SET", destination(service(flow, 80), 8001, 8004, weight=7)),
    "destination delete": lambda flow: (
        "DESTINATION_DEL", destination(service(flow, 80), 8001, 8004, method=None)),
    "destination delete and cut": lambda flow: (
        "DESTINATION_DEL", destination(service(flow, 80), 8001, 8004, method=None)
        + attr(N["RLVS_A_DESTINATION_CUT"])),
    "flush": lambda flow: ("FLUSH", b""),
    "flush and cut": lambda flow: ("FLUSH", CUT),
}


@each(CHANGES, all_differ=True)
def test_a_change(lab, name):
    faults.need()
    faults.prepare()
    flow = (TCP4, UDP6)[list(CHANGES).index(name) % 2]
    lab.servers.listen(flow, range(8001, 8005))
    fixture = Fixture(lab, flow)
    command, attributes = CHANGES[name](flow)
    count, outcome = fail_each(
        lambda: fixture.director.request(N["RLVS_CMD_" + command], attributes),
        fixture.prepare, fixture.refused_cleanly)
    fixture.release()
    check(not isinstance(outcome, Error), f"{name}: {outcome}")
    check(count > 0, f"{name}: no allocation was failed")
    print(f"    # {count} allocations")


READS = {
    "a service": lambda flow: ("SERVICE_GET", service(flow, 80), False),
    "counters": lambda flow: ("COUNTERS_GET", b"", False),
    "services": lambda flow: ("SERVICE_GET", b"", True),
    "destinations": lambda flow: (
        "DESTINATION_GET", nest(N["RLVS_A_DESTINATION_SERVICE"], service(flow, 80)), True),
    "connections": lambda flow: ("CONNECTION_GET", b"", True),
}


def refused_for_memory(outcome):
    """A list is refused for the memory or complete, never short without a word."""
    if isinstance(outcome, Error):
        equal(errno.errorcode.get(outcome.errno), "ENOMEM", f"the errno of {outcome}")


@each(READS, all_differ=True)
def test_reading(lab, name):
    faults.need()
    faults.prepare()
    lab.servers.listen(TCP4, range(8001, 8005))
    fixture = Fixture(lab, TCP4)
    fixture.prepare()
    command, attributes, dump = READS[name](TCP4)
    count, outcome = fail_each(
        lambda: fixture.director.request(N["RLVS_CMD_" + command], attributes, dump),
        verify=refused_for_memory)
    fixture.release()
    check(outcome and not isinstance(outcome, Error), f"{name}: {outcome}")
    check(count > 0, f"{name}: no allocation was failed")


BY_IPVS = {
    "a new service": lambda: (ipvs.NEW_SERVICE, ipvs.service(ipvs.whole_service(TCP4, 81))),
    "an edited service": lambda: (ipvs.SET_SERVICE, ipvs.service(
        ipvs.whole_service(TCP4, scheduler="wrr"))),
    "a new destination": lambda: (ipvs.NEW_DEST, ipvs.service(ipvs.identity(TCP4)) + ipvs.dest(
        ipvs.whole_dest(TCP4, 8005))),
    "an edited destination": lambda: (ipvs.SET_DEST, ipvs.service(ipvs.identity(TCP4)) + ipvs.dest(
        ipvs.whole_dest(TCP4, weight=7))),
    "a deleted destination": lambda: (ipvs.DEL_DEST, ipvs.service(ipvs.identity(TCP4)) + ipvs.dest(
        ipvs.whole_dest(TCP4))),
    "a deleted service": lambda: (ipvs.DEL_SERVICE, ipvs.service(ipvs.identity(TCP4))),
}


@each(BY_IPVS, all_differ=True)
def test_a_change_by_ipvs(lab, name):
    faults.need()
    faults.prepare()
    lab.servers.listen(TCP4, range(8001, 8005))
    fixture, family = Fixture(lab, TCP4), ipvs.Ipvs(lab.lb)
    command, attributes = BY_IPVS[name]()
    count, outcome = fail_each(lambda: family.request(command, attributes), fixture.prepare,
                               fixture.refused_cleanly)
    fixture.release()
    check(not isinstance(outcome, Error), f"{name}: {outcome}")
    print(f"    # {count} allocations")


@each(("ip_vs", "ip_vs_conn", "ip_vs_conn_sync", "ip_vs_stats", "ip_vs_stats_percpu"),
      all_differ=True)
def test_a_file(lab, name):
    """It is refused for the memory or complete, never short without a word."""
    faults.need()
    faults.prepare()
    lab.servers.listen(TCP4, range(8001, 8005))
    fixture = Fixture(lab, TCP4)
    fixture.prepare()

    def read():
        return lab.lb.read(f"/proc/thread-self/net/{name}")

    lines = len(read().splitlines())

    def verify(outcome):
        if isinstance(outcome, OSError):
            equal(errno.errorcode.get(outcome.errno), "ENOMEM", f"the errno of {outcome}")
        else:
            equal(len(outcome.splitlines()), lines, f"lines of {name}")

    count, outcome = fail_each(read, verify=verify)
    fixture.release()
    equal(len(outcome.splitlines()), lines, f"lines of {name}")
    check(count > 0, f"{name}: no allocation was failed")


def test_an_event(lab):
    """Who listens to events gets them or learns that some are lost, however memory fails."""
    faults.need()
    faults.prepare()
    lab.servers.listen(TCP4, range(8001, 8003))
    director, events = lab.director(), Events(lab.lb)
    director.add(TCP4, 80, "8001-8002", "rr")
    lost = []

    def set_weight(weight):
        return director.request(N["RLVS_CMD_DESTINATION_SET"],
                                destination(service(TCP4, 80), 8001, 8002, weight=weight))

    def prepare():
        equal(set_weight(1), [], "the outcome of setting the weight")
        wait_until(lambda: not events.read(0.1), "the events are read")

    def verify(outcome):
        if isinstance(outcome, Error):
            equal(errno.errorcode.get(outcome.errno), "ENOMEM", f"the errno of {outcome}")
            return
        # Granted: what failed was the memory of an event, or what the kernel does without.
        found = events.read(1.0)
        if any(event["event"] == "lost" for event in found):
            lost.append(outcome)
        else:
            # Those of one destination in their order: both drain before either has drained.
            found.sort(key=lambda event: event["port"])
            equal([(event["event"], event["port"]) for event in found],
                  [(kind, port) for port in (8001, 8002) for kind in ("draining", "drained")],
                  "events, of which none is said to be lost")

    count, outcome = fail_each(lambda: set_weight(0), prepare, verify)
    equal(outcome, [], "the outcome without a failure")
    events.wait(("drained", 8002))
    check(lost, f"of {count} allocations none was an event's")
    print(f"    # {count} allocations, {len(lost)} of events")
    events.close()


def test_the_first_service_of_a_namespace():
    """It registers the hooks; when that fails, the next attempt starts from nothing."""
    faults.need()
    faults.prepare()
    namespaces, directors = [], []

    def prepare():
        namespaces.append(Namespace())
        directors.append(Director(namespaces[-1]))

    def verify(outcome):
        if isinstance(outcome, Error):
            equal(errno.errorcode.get(outcome.errno), "ENOMEM", f"the errno of {outcome}")
            check("memory" in outcome.text, f"the text of {outcome}")
            equal(directors[-1].services(), [], "services afterwards")
            add()

    def add():
        return directors[-1].must(N["RLVS_CMD_SERVICE_ADD"], service(TCP4, 80))

    count, _ = fail_each(
        lambda: directors[-1].request(N["RLVS_CMD_SERVICE_ADD"], service(TCP4, 80)),
        prepare, verify)
    equal(len(directors[-1].services()), 1, "services at the end")
    check(count > 3, f"only {count} allocations were failed")
    for director, namespace in zip(directors, namespaces, strict=True):
        director.sock.close()
        namespace.close()


def test_a_new_namespace():
    """The state of a namespace with its sysctls: all of it, or the namespace is not made."""
    faults.need()
    faults.prepare()

    def verify(outcome):
        if isinstance(outcome, OSError):
            equal(errno.errorcode.get(outcome.errno), "ENOMEM", f"the errno of {outcome}")
        else:
            outcome.close()

    count, namespace = fail_each(Namespace, verify=verify)
    check(count > 5, f"only {count} allocations were failed")
    equal(Director(namespace).services(), [], "services of the new namespace")
    namespace.close()


def load():
    """Loads the module in this thread."""
    with open(kernel.module_path(), "rb") as file:
        if _libc.syscall(SYS_FINIT_MODULE, file.fileno(), b"", 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def test_loading(lab):
    """There are several namespaces to make a state for, all of which are undone."""
    faults.need()
    kernel.remove()
    faults.prepare(loaded=False)

    def verify(outcome):
        if outcome is None:
            kernel.remove()
            return
        equal(errno.errorcode.get(outcome.errno), "ENOMEM", f"the errno of {outcome}")
        check(not kernel.loaded(), "the module is loaded")

    try:
        # The same ones come again in each namespace: with FULL=1 each of them is failed.
        step = 1 if os.environ.get("FULL") else 4
        count, outcome = fail_each(load, verify=verify, step=step)
    finally:
        if not kernel.loaded():
            kernel.insert()
    check(outcome is None, f"loading: {outcome}")
    check(count > 10, f"only {count} allocations were failed")
    print(f"    # {count} allocations")
    equal(lab.services(), [], "services")


DROPS = ("no_memory", "unwritable", "route_failed", "table_full")


def drops(lab):
    """Packets that were dropped for want of something."""
    director = lab.director()
    return sum(director.counter(name) for name in DROPS)


@each(UDP)
def test_the_first_packet_of_a_local_client(lab, flow):
    """The sender is told, it is counted, and the same client's next packet is served. The service
    is persistent and each client has an address of its own: a template is made first."""
    faults.need()
    faults.prepare()
    lab.servers.listen(flow, [8001, 8002])
    lab.balance(flow, ports="8001-8002")
    lab.rlvs(f"service edit {flow.service(80)} --persistent 100")
    network = "203.0.113." if flow.version == 4 else "2001:db8:f::"
    lab.lb.ip(f"route replace local {network}0/{24 if flow.version == 4 else 64} dev lo")
    lab.lb.sysctl("net.ipv6.ip_nonlocal_bind", 1)
    socks = []

    def prepare():
        with lab.lb:
            socks.append(flow.socket())
        socks[-1].bind((f"{network}{len(socks)}", 0))
        socks[-1].settimeout(30)
        socks[-1].connect((flow.vip, 80))
        prepare.dropped = drops(lab)

    def verify(outcome):
        lost = drops(lab) - prepare.dropped
        if isinstance(outcome, OSError):
            equal((errno.errorcode.get(outcome.errno), lost), ("EPERM", 1), "errno and drops")
        else:
            equal(lost, 0, "drops of a packet that was sent")

    count, outcome = fail_each(lambda: socks[-1].send(b"hello"), prepare, verify)
    equal(outcome, 5, "bytes that the last client sent")
    check(count >= 3, f"{count} allocations failed: entry, template and bond take one each")
    for sock in socks:
        sock.send(b"again")
        check(sock.recv(100).endswith((b"again", b"hello")), "no answer to the next packet")
        sock.close()


@each(UDP)
def test_the_copy_of_a_first_packet(lab, flow):
    """Without it there is no second try: the client is refused, and that is counted."""
    faults.need()
    lab.servers.listen(flow, [8001, 8002])
    lab.director().add_weighted(flow, 80, 8001, "fo", [2, 1])
    lab.lb.must("nft", "-f", "-", input="flush ruleset\ntable inet t {\n chain c {\n"
                "  type filter hook input priority 0\n  udp dport 8001 reject\n }\n}\n")
    faults.prepare()
    outcomes = collections.Counter()

    def ask():
        with lab.lb, flow.socket() as sock:
            sock.settimeout(30)
            sock.connect((flow.vip, 80))
            sock.send(b"hello")
            return sock.recv(100)

    def verify(outcome):
        kind = errno.errorcode[outcome.errno] if isinstance(outcome, OSError) else "served"
        outcomes[kind] += 1

    before = lab.counter("retry_not_kept")
    try:
        _, outcome = fail_each(ask, verify=verify)
    finally:
        lab.lb.must("nft", "flush", "ruleset")
    check(outcome.endswith(b"hello"), f"the last client got {outcome}")
    # The copy takes three allocations, of which a CPU may have some in stock.
    check(outcomes["ECONNREFUSED"] >= 1, f"{outcomes}: no copy has failed")
    equal(lab.counter("retry_not_kept") - before, outcomes["ECONNREFUSED"], "retry_not_kept")
    check(set(outcomes) <= {"ECONNREFUSED", "EPERM", "served"}, f"outcomes: {outcomes}")


def test_packets_in_softirq(lab):
    """While nothing can be had, no connection begins; those that are there go on afterwards."""
    faults.need()
    faults.prepare()
    for flow in FLOWS:
        lab.servers.listen(flow, [8001, 8002])
        lab.balance(flow, ports="8001-8002")
    held = [talk(where, flow) for where in (lab.client, lab.lb) for flow in FLOWS]
    counted = lab.counter("no_memory")
    with faults.everywhere():
        for flow in FLOWS:
            equal(refusal(lab.client, flow, limit=0.2), "timeout", f"a new {flow} connection")
    check(lab.counter("no_memory") >= counted + len(FLOWS), "not every refusal was counted")
    for conversation in held:
        conversation.say(b"still there?")
        conversation.close()
    for flow in FLOWS:
        talk(lab.client, flow).close()


@each(FAMILIES)
def test_answers(lab, flow):
    """A reset or port unreachable that there is no memory for is not sent; the client waits."""
    faults.need()
    faults.prepare()
    lab.rlvs(f"service add {flow.service(80)}")
    counted = lab.counter("no_destination")
    with faults.everywhere():
        equal(refusal(lab.client, flow, limit=0.2), "timeout", "while nothing can be had")
    check(lab.counter("no_destination") > counted, "it was not counted")
    equal(refusal(lab.client, flow), "refused", "afterwards")


def test_a_table_that_grows(lab):
    """Every new flow has either an entry or is counted as refused, whatever fails."""
    faults.need()
    faults.prepare()
    lab.servers.listen(UDP4, [8001])
    lab.balance(UDP4, ports="8001")
    flows = 400
    made, refused = lab.counter("connections"), lab.counter("no_memory")
    with faults.everywhere(probability=30):
        for number in range(flows):
            with lab.client, UDP4.socket() as sock:
                sock.bind((UDP4.client, 20_000 + number))
                sock.sendto(b"hello", (UDP4.vip, 80))

        def both():
            return lab.counter("connections") - made, lab.counter("no_memory") - refused

        # Asking needs memory, too.
    wait_until(lambda: sum(both()) >= flows, lambda: f"{both()} of {flows} flows")
    equal(sum(both()), flows, "flows with an entry and without")
    check(min(both()) > flows // 10, f"all were served or all refused: {both()}")
    equal(lab.counter("entries"), both()[0], "entries")
