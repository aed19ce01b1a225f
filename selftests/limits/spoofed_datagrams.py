# SPDX-License-Identifier: GPL-2.0
"""Datagrams with false source addresses close neither their service nor another one.

The service that they are sent to stays open for clients that it answers.
"""

import contextlib
import select
import socket
import time

from lib import kernel
from lib.clients import talk
from lib.ktap import check, each, equal, fewer, in_time, seconds, wait_until
from lib.lab import SCTP4, SCTP6, TCP4, TCP6, UDP, UDP4, Lab
from lib.packets import Raw, datagram, segment

SETTING = "net.ipv4.vs.conn_max"
DEFAULT = 4194304
MOST = 400  # connections, in these tests
SHORT = 30  # seconds until a flow that was not answered is over
SO_RCVBUFFORCE = 33
FALSE = {4: "10.{}.{}.1", 6: "2001:db8:f00d:{:x}:{:x}::1"}  # addresses that no host has
NETWORK = {4: "10.0.0.0/8", 6: "2001:db8:f00d::/48"}  # which they are in
TCP_OF, SCTP_OF = {4: TCP4, 6: TCP6}, {4: SCTP4, 6: SCTP6}


def make_lab():
    """The lab, where answers to false addresses leave by the link."""
    lab = Lab()
    lab.lb.ip(*(f"route add {NETWORK[flow.version]} via {flow.client}" for flow in UDP))
    return lab


class Limit:
    """`with Limit(lab, 400):` lets the director have so many connections."""

    def __init__(self, lab, most=MOST):
        self.lab, self.most = lab, most

    def __enter__(self):
        self.lab.lb.sysctl(SETTING, self.most)

    def __exit__(self, *_):
        self.lab.lb.sysctl(SETTING, DEFAULT)


class Silent:
    """Sockets that read nothing by themselves and answer on request: `with Silent(...)`."""

    def __init__(self, lab, flow, ports):
        self._socks = {}
        for port in ports:
            with lab.lb:
                sock = flow.socket()
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
            sock.bind((flow.vip, port))
            self._socks[port] = sock

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in self._socks.values():
            sock.close()

    def got(self, wanted, answer=None, limit=5.0):
        """The port that got a datagram with this text, and is answered; none after the limit."""
        ports = {sock: port for port, sock in self._socks.items()}
        deadline = time.monotonic() + seconds(limit)
        while (left := deadline - time.monotonic()) > 0:
            for sock in select.select(list(ports), [], [], left)[0]:
                data, peer = sock.recvfrom(2048)
                if data == wanted:
                    if answer is not None:
                        sock.sendto(answer, peer)
                    return ports[sock]
        return None


class Asker:
    """A client's socket that is connected to a service."""

    def __init__(self, where, flow, port=80):
        with where:
            self.sock = flow.socket()
        self.sock.settimeout(seconds(5))
        self.sock.connect((flow.vip, port))
        self.port = self.sock.getsockname()[1]

    def ask(self, silent, text=b"ask", answer=b"answer"):
        """Sends, has it answered, and returns the port that got it."""
        self.sock.send(text)
        got = silent.got(text, answer)
        if answer is not None:
            equal(self.sock.recv(2048), answer, "the answer")
        return got

    def entry(self, lab):
        """This flow's entry, or None."""
        return next((c for c in lab.conns() if c["client_port"] == self.port), None)


def spoof(lab, flow, count, port=80, make=datagram, start=0):
    """So many first packets, each from an address of its own that is false."""
    line = Raw(lab.client, "eth", lab.lb, "wan")
    for number in range(start, start + count):
        source = FALSE[flow.version].format(number // 250, number % 250 + 1)
        line.send(make(source, flow.vip, 1024 + number, port))


def counted(lab):
    """First packets that have come to an end one way or the other."""
    return sum(lab.counter(name) for name in ("connections", "table_full", "udp_full"))


def flood(lab, flow, count=MOST + 50, **options):
    """Sends them and waits until each has its entry or is refused."""
    before = counted(lab)
    spoof(lab, flow, count, **options)
    wait_until(lambda: counted(lab) >= before + count,
               lambda: f"{counted(lab) - before} of {count} first packets were counted")


def served_at_once(where, flow, port):
    """A new connection is served without a packet that is sent again."""
    begun = time.monotonic()
    talk(where, flow, port, limit=3).close()
    taken = time.monotonic() - begun
    in_time(taken < seconds(0.9), f"{flow} was served after {taken:.1f} s")


@each(UDP)
def test_other_services_are_served_at_once(lab, flow):
    """Those of TCP and of SCTP, and steered connections are counted."""
    kernel.need("sctp")
    others = [TCP_OF[flow.version], SCTP_OF[flow.version]]
    for other in others:
        lab.servers.listen(other, [8001])
        lab.balance(other, ports="8001", port=81)
    lab.servers.listen(TCP_OF[flow.version], [8002])
    lab.steer(TCP_OF[flow.version], ports="8002", port=82)
    lab.balance(flow, ports="8009")
    with Silent(lab, flow, [8009]), Limit(lab), talk(lab.client, others[0], 81) as there:
        flood(lab, flow)
        uncounted = lab.counter("uncounted")
        for where in (lab.client, lab.lb):
            for other in others:
                served_at_once(where, other, 81)
            served_at_once(where, others[0], 82)
        equal(lab.counter("uncounted"), uncounted, "steered connections that were not counted")
        there.bulk(20_000)


@each(UDP)
def test_a_service_that_answers_everything(lab, flow):
    """It answers false addresses as well, and so UDP has a share in all."""
    other = TCP_OF[flow.version]
    lab.servers.listen(other, [8001])
    lab.balance(other, ports="8001", port=81)
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    before = lab.counter("udp_full")
    with Limit(lab):
        # In parts, as a flow that still waits for its answer gives way to the next one.
        for start in range(0, MOST + 50, 50):
            flood(lab, flow, 50, start=start)
            wait_until(lambda: all(c["state"] != "UDP_UNANSWERED" for c in lab.conns()),
                       "all that were not refused are answered")
        for where in (lab.client, lab.lb):
            served_at_once(where, other, 81)
        check(lab.counter("entries") <= MOST, f"{lab.counter('entries')} entries")
        check(lab.counter("udp_full") > before, "what was refused was not counted")


@each(UDP)
def test_a_persistent_service(lab, flow):
    """Its templates are of false addresses, too."""
    other = TCP_OF[flow.version]
    lab.servers.listen(other, [8001])
    lab.balance(other, ports="8001", port=81)
    lab.rlvs(f"service add {flow.service(80)} --scheduler rr --persistent 300")
    lab.rlvs(f"dest add {flow.service(80)} :8009")
    with Silent(lab, flow, [8009]), Limit(lab):
        flood(lab, flow)
        served_at_once(lab.client, other, 81)
    lab.reset()
    # They count for the next subtest, too.
    wait_until(lambda: lab.counter("templates") == 0, "the templates are gone")


@each(UDP)
def test_clients_of_the_same_service(lab, flow):
    """Flows that were answered stay as long as they would; a new client gets its answer."""
    lab.balance(flow, ports="8009")
    with Silent(lab, flow, [8009]) as silent, Limit(lab):
        there = [Asker(where, flow) for where in (lab.client, lab.lb) for _ in range(10)]
        for asker in there:
            asker.ask(silent)
        flood(lab, flow)
        for where in (lab.client, lab.lb):
            Asker(where, flow).ask(silent)
        flood(lab, flow, start=MOST + 50)
        for asker in there:
            entry = asker.entry(lab)
            check(entry, "the entry of a flow that was answered is gone")
            equal(entry["state"], "UDP", "its state")
            check(entry["expires"] > 250, f"it expires in {entry['expires']} s")
            asker.ask(silent)


def check_left(left, most, asked):
    """An entry has so many seconds left as it should after a datagram at that time."""
    idle = time.monotonic() - asked
    check(most - idle - 1 <= left <= most, f"{left} s of {most} are left after {idle:.1f} s")


@each(UDP)
def test_short_until_answered(lab, flow):
    """And what is set to less is shorter still. What ip_vs's clients see is named as there."""
    lab.balance(flow, ports="8009")
    name = flow.service(80)
    with Silent(lab, flow, [8009]) as silent:
        for where in (lab.client, lab.lb):
            asker = Asker(where, flow)
            for text in (b"first", b"second"):
                asked = time.monotonic()
                asker.ask(silent, text, None)
            entry = asker.entry(lab)
            equal(entry["state"], "UDP_UNANSWERED", "the state before the answer")
            check_left(entry["expires"], SHORT, asked)
            lines = [line.split() for line in lab.lb.read("/proc/net/ip_vs_conn").splitlines()]
            shown = [line[-2:] for line in lines if line[2] == f"{asker.port:04X}"]
            equal([line[0] for line in shown], ["UDP"], "the state that ip_vs has")
            check_left(int(shown[0][1]), SHORT, asked)
            for seconds_set, most in ((1000, SHORT), (7, 7)):
                asked = time.monotonic()
                asker.ask(silent, b"%d" % seconds_set, None)
                lab.rlvs(f"service edit {name} --timeout-udp {seconds_set}")
                entry = asker.entry(lab)
                in_time(time.monotonic() - asked < most - 1, "it may be over already")
                check_left(entry["expires"], most, asked)
            lab.rlvs(f"service edit {name} --timeout-udp 1000")
            asker.ask(silent, b"third")
            entry = asker.entry(lab)
            equal(entry["state"], "UDP", "the state after the answer")
            check(entry["expires"] > 900, f"then it expires in {entry['expires']} s")
            lab.rlvs(f"service edit {name} --timeout-udp 0")


def test_the_share_is_free_again(lab):
    """The families have one. When it is used up, the flows in it are over after a few seconds, until
    there is room."""
    with contextlib.ExitStack() as stack:
        for flow in UDP:
            lab.balance(flow, ports="8009")
            stack.enter_context(Silent(lab, flow, [8009]))
        stack.enter_context(Limit(lab))
        before = lab.counter("early_expired")
        for flow in UDP:
            flood(lab, flow, MOST // 2)
        entries, share = lab.counter("entries"), MOST // 2
        # On a slow machine the first go before the last come.
        gone = lab.counter("early_expired") - before
        check(share - 10 < entries + gone and entries <= share + 2,
              f"{entries} entries, and {gone} that have gone; the share is {share}")
        wait_until(lambda: lab.counter("entries") < share - 4, "there is room in the share")
        gone = lab.counter("early_expired") - before
        flood(lab, UDP[0], 4, start=MOST)
        check(lab.counter("entries") <= share, "more than the share")
        check(gone > 0, "no flow went early")


def test_a_flow_that_goes_one_way(lab):
    """It keeps its destination while the client sends."""
    span = fewer(2, 5)  # seconds; of the module's whole ones the last may be short
    with contextlib.ExitStack() as stack:
        flows = []
        for flow in UDP:
            lab.balance(flow, ports="8008-8009")
            lab.rlvs(f"service edit {flow.service(80)} --timeout-udp {span}")
            silent = stack.enter_context(Silent(lab, flow, [8008, 8009]))
            flows += [(silent, Asker(where, flow)) for where in (lab.client, lab.lb, lab.client)]
        begun, heard, servers, number = time.monotonic(), {}, {}, 0

        def pauses():
            """The longest time without a datagram of a flow."""
            return max((time.monotonic() - then for then in heard.values()), default=0)

        while time.monotonic() - begun < 1.5 * span:
            number += 1
            for place, (silent, asker) in enumerate(flows):
                got = asker.ask(silent, b"%d" % number, None)
                in_time(pauses() < span - 1, "the client itself has paused")
                heard[place] = time.monotonic()
                equal(got, servers.setdefault(place, got), "the server of the flow")
            time.sleep(0.1)
        equal([set(servers[p] for p in places) for places in ((0, 1, 2), (3, 4, 5))],
              [{8008, 8009}] * 2, "the servers")
        entries = lab.counter("entries")
        in_time(pauses() < span - 1, "the client itself has paused")
        equal(entries, len(flows), "entries")
        wait_until(lambda: lab.counter("entries") == 0, "the flows are over when the client is")


@each(UDP)
def test_a_flood_of_syns_ends_no_flow(lab, flow):
    """Other protocols push no more flows away than what is over an eighth."""
    lab.balance(flow, ports="8009")
    other = TCP_OF[flow.version]
    lab.servers.listen(other, [8001])
    lab.balance(other, ports="8001", port=81)
    with Silent(lab, flow, [8009]) as silent, Limit(lab, 80):
        askers = [Asker(where, flow) for where in (lab.client, lab.lb) for _ in range(5)]
        for start in range(0, 180, 30):
            heard = time.monotonic()
            for asker in askers:
                asker.ask(silent, b"from %d on" % start, None)
            flood(lab, other, 30, start=start, port=81, make=segment)
            there = {c["client_port"] for c in lab.conns()}
            # A full table ends what is silent for three seconds, of which the last may be short.
            in_time(time.monotonic() - heard < 2, "the flows were silent for too long")
            check(all(asker.port in there for asker in askers), "a flow has lost its entry")
        flood(lab, flow, 60)
        check(lab.counter("entries") <= 82, f"{lab.counter('entries')} entries, allowed are 80")


def test_none_gives_way_where_none_may_be(lab):
    """A limit of zero admits no flow and ends nothing."""
    lab.balance(UDP4, ports="8009")
    with Silent(lab, UDP4, [8009]):
        flood(lab, UDP4, 5)
        full, gone = lab.counter("table_full"), lab.counter("early_expired")
        with Limit(lab, 0):
            flood(lab, UDP4, 5, start=5)
            equal(lab.counter("entries"), 5, "entries")
        equal(lab.counter("table_full") - full, 5, "refused")
        equal(lab.counter("early_expired"), gone, "entries that went early")
