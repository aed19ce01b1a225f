# SPDX-License-Identifier: GPL-2.0
"""With net.ipv4.vs.schedule_icmp, an ICMP error from outside about an answer opens an entry.

That is of use when the entry is lost, or was another director's: the error still reaches the
process that has sent the answer.
"""

import contextlib
import errno
import socket

from lib import kernel
from lib.clients import RESET_AT_CLOSE, talk
from lib.ktap import check, each, equal, seconds, wait_until
from lib.lab import SCTP, TCP, TCP6, UDP, UDP4
from lib.packets import Raw, datagram, icmp_error, sctp_data, segment
from lib.repair import end_of

SETTING = "net.ipv4.vs.schedule_icmp"
SENT, ANSWERED = 3_000_000_000, 2_000_000_000  # sequence numbers
SOURCE_PORT = 40000
MTU = 1300
IP_MTU = 14
# IP_RECVERR and IPV6_RECVERR: also errors that may pass are told to a socket.
REPORT_ERRORS = {4: (socket.IPPROTO_IP, 11), 6: (socket.IPPROTO_IPV6, 25)}


@contextlib.contextmanager
def on(lab):
    """The setting, and the default again; what was learned of paths is forgotten."""
    lab.lb.sysctl(SETTING, 1)
    try:
        yield
    finally:
        lab.lb.sysctl(SETTING, 0)
        lab.lb.ip("route flush cache")


def answer(flow, sequence=ANSWERED, port=SOURCE_PORT, address=None):
    """A packet from the service to the client."""
    ends = address or flow.vip, flow.client, 80, port
    if flow.protocol == "udp":
        return datagram(*ends, b"an answer")
    if flow.protocol == "tcp":
        return segment(*ends, flags="A", seq=sequence, ack=SENT)
    return sctp_data(*ends)


class Router:
    """Somebody on the client's side of the link who sends errors."""

    def __init__(self, lab, flow):
        self.lab, self.flow = lab, flow
        self.line = Raw(lab.client, "eth", lab.lb, "wan")
        self.address = "192.0.2.77" if flow.version == 4 else "2001:db8::77"
        with lab.lb:
            self.mark = socket.socket(flow.family, socket.SOCK_DGRAM)
        self.mark.settimeout(seconds(5))
        self.mark.bind((flow.vip, 7777))

    def says(self, kind, code, packet, to=None, rest=0):
        """Sends an error about the packet, and returns when it was handled."""
        error = icmp_error(self.address, to or self.flow.vip, kind, code, packet, rest)
        mark = datagram(self.flow.client, self.flow.vip, 7777, 7777)
        self.line.send_in_order(error, mark)
        self.mark.recv(1)

    def says_too_big(self, packet):
        """The link is too narrow for it (IPv4)."""
        self.says(3, 4, packet, rest=MTU)

    def says_unreachable(self, packet, to=None):
        """The client cannot be reached."""
        self.says(*((3, 1) if self.flow.version == 4 else (1, 3)), packet, to)


def counters(lab, *names):
    """The values of these counters."""
    return [lab.counter(name) for name in names]


def path_mtu(sock):
    """What a connected IPv4 socket knows of its path."""
    return sock.getsockopt(socket.IPPROTO_IP, IP_MTU)


def told(sock):
    """The error that a socket was told of, which is then forgotten; or 0."""
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


@contextlib.contextmanager
def midway(lab, flow, port=8001):
    """The client's and the process's end of a balanced connection that has no entry."""
    client = end_of(lab.client, flow, (flow.client, SOURCE_PORT), (flow.vip, 80), SENT, ANSWERED)
    server = end_of(lab.lb, flow, (flow.vip, port), (flow.client, SOURCE_PORT), ANSWERED, SENT)
    with client, server:
        server.setsockopt(*REPORT_ERRORS[flow.version], 1)
        for sock in (client, server):
            sock.settimeout(seconds(5))
        yield client, server
        for sock in (client, server):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)


@each([*UDP, *TCP, *SCTP])
def test_an_error_opens_an_entry(lab, flow):
    """That which the client's packet would have opened; none while it is off."""
    if flow.protocol == "sctp":
        kernel.need("sctp")
    equal(lab.lb.read("/proc/sys/net/ipv4/vs/schedule_icmp"), "0\n", "the default")
    service = lab.balance(flow, ports="8001-8002")
    router = Router(lab, flow)
    names = ("connections", "icmp_error")
    before = counters(lab, *names)
    router.says_unreachable(answer(flow))
    equal((lab.conns(), counters(lab, *names)), ([], before), "entries and counters, off")
    with on(lab):
        router.says_unreachable(answer(flow))
        found = lab.conns()
        equal(len(found), 1, "entries")
        del found[0]["expires"]
        equal(found[0], {
            "protocol": flow.protocol,
            "client_address": flow.client, "client_port": SOURCE_PORT,
            "service_address": flow.vip, "service_port": 80,
            "destination_address": flow.vip, "destination_port": 8001,
            "state": "UDP_UNANSWERED" if flow.protocol == "udp" else "NONE",
        }, "the entry")
        equal(counters(lab, *names), [count + 1 for count in before], str(names))
        stats = lab.find(service)["stats"]
        equal((stats["connections"], stats["in_packets"]), (1, 0), "the service's counters")
        # The next one is the scheduler's next choice, and the first has its entry.
        router.says_unreachable(answer(flow))
        router.says_unreachable(answer(flow, port=SOURCE_PORT + 1))
        equal(sorted(c["destination_port"] for c in lab.conns()), [8001, 8002], "destinations")


@each(UDP)
def test_the_process_is_told(lab, flow):
    """Of an error that there is, as with an entry; on a service of the wildcard address too."""
    with lab.lb:
        server = socket.socket(flow.family, socket.SOCK_DGRAM)
    with server, on(lab):
        server.setsockopt(*REPORT_ERRORS[flow.version], 1)
        server.bind((flow.vip, 8001))
        server.connect((flow.client, SOURCE_PORT))
        router = Router(lab, flow)
        for address in (None, flow.any):
            lab.rlvs(f"service add {flow.service(80, address)}")
            lab.rlvs(f"dest add {flow.service(80, address)} :8001 --method nat")
            router.says_unreachable(answer(flow))
            equal(told(server), errno.EHOSTUNREACH, "what the process is told")
            lab.director().flush_now()


@each(TCP)
def test_a_connection_without_entry(lab, flow):
    """The process is told, also of the path's MTU (IPv4), and the connection has an entry
    again."""
    lab.balance(flow, ports="8001")
    router = Router(lab, flow)
    with midway(lab, flow) as (client, server):
        router.says_unreachable(answer(flow))
        equal(told(server), 0, "what the process is told, off")
        with on(lab):
            router.says_unreachable(answer(flow))
            equal(told(server), errno.EHOSTUNREACH, "what the process is told")
            if flow.version == 4:
                equal(path_mtu(server), 1500, "the path's MTU before")
                router.says_too_big(answer(flow))
                equal(path_mtu(server), MTU, "the path's MTU")
            client.send(b"still there")
            equal(server.recv(99), b"still there", "what came")
            server.send(b"here too")
            equal(client.recv(99), b"here too", "what came back")
            equal([c["state"] for c in lab.conns()], ["ESTABLISHED"], "the entry's state")


@each(TCP)
def test_an_error_has_to_fit_the_destinations_connection(lab, flow):
    """One that the client has straight to the destination's port is nobody else's: a forged error
    would have its answers rewritten."""
    lab.balance(flow, ports="8001")
    router = Router(lab, flow)
    with midway(lab, flow), on(lab):
        for sequence in (ANSWERED - 1, ANSWERED + 1, 0):
            before = lab.counter("no_destination")
            router.says_unreachable(answer(flow, sequence))
            equal((lab.counter("no_destination"), lab.conns()), (before + 1, []),
                  f"no_destination and the entries after {sequence}")
        router.says_unreachable(answer(flow))
        equal(len(lab.conns()), 1, "entries after the right one")


@each(TCP)
def test_a_connection_of_the_host_itself(lab, flow):
    """One that is older than the service: the error is for it."""
    lab.servers.listen(flow, [80])
    router = Router(lab, flow)
    client = end_of(lab.client, flow, (flow.client, SOURCE_PORT), (flow.vip, 80), SENT, ANSWERED)
    own = end_of(lab.lb, flow, (flow.vip, 80), (flow.client, SOURCE_PORT), ANSWERED, SENT)
    with client, own, on(lab):
        own.setsockopt(*REPORT_ERRORS[flow.version], 1)
        lab.balance(flow, ports="8001")
        router.says_unreachable(answer(flow))
        equal((told(own), lab.conns()), (errno.EHOSTUNREACH, []), "the error, and the entries")
        for sock in (client, own):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)


@each([UDP4, TCP6])
def test_limits_hold(lab, flow):
    """An error that may not open an entry is dropped and counted, and not answered."""
    service = lab.balance(flow, ports="8001")
    router = Router(lab, flow)
    with on(lab):
        before = counters(lab, "table_full", "icmp_error")
        lab.lb.sysctl("net.ipv4.vs.conn_max", 0)
        try:
            router.says_unreachable(answer(flow))
        finally:
            lab.lb.sysctl("net.ipv4.vs.conn_max", 4194304)
        equal(counters(lab, "table_full", "icmp_error"), [before[0] + 1, before[1]], "counters")
        lab.rlvs(f"dest edit {service} :8001 --weight 0")
        before = counters(lab, "no_destination", "rejected")
        router.says_unreachable(answer(flow))
        equal(counters(lab, "no_destination", "rejected"), [before[0] + 1, before[1]], "counters")
    equal(lab.conns(), [], "entries")


@each([UDP4, TCP6])
def test_the_defence_drops_errors(lab, flow):
    """Those that would open an entry; here each one."""
    lab.balance(flow, ports="8001")
    router = Router(lab, flow)
    ports = iter(range(50000, 60000))
    before = lab.counter("drop_packet")

    def is_on():
        router.says_unreachable(answer(flow, port=next(ports)))
        return lab.counter("drop_packet") > before

    lab.lb.sysctl("net.ipv4.vs.am_droprate", 1)
    lab.lb.sysctl("net.ipv4.vs.drop_packet", 3)
    try:
        with on(lab):
            wait_until(is_on, "the defence is on")
            before, first = lab.counter("drop_packet"), next(ports)
            for port in range(first, first + 3):
                router.says_unreachable(answer(flow, port=port))
            equal(lab.counter("drop_packet"), before + 3, "drop_packet")
            equal([c for c in lab.conns() if c["client_port"] >= first], [], "entries")
    finally:
        lab.lb.sysctl("net.ipv4.vs.drop_packet", 0)
        lab.lb.sysctl("net.ipv4.vs.am_droprate", 10)


@each(UDP)
def test_errors_that_open_nothing(lab, flow):
    """About another port or address, to somebody else, of one-packet scheduling; and one about
    an answer that has an entry opens no other."""
    lab.servers.listen(flow, [8001])
    service = lab.balance(flow, ports="8001")
    router = Router(lab, flow)
    with on(lab):
        other = datagram(flow.vip, flow.client, 81, SOURCE_PORT, b"of no service")
        router.says_unreachable(other)
        router.says_unreachable(answer(flow, address=flow.vip2), to=flow.vip2)
        router.says_unreachable(answer(flow), to=flow.vip2)
        equal(lab.conns(), [], "entries")
        with talk(lab.client, flow, source=flow.client, source_port=SOURCE_PORT) as conversation:
            router.says_unreachable(answer(flow))
            equal(len(lab.conns()), 1, "entries of a flow")
            conversation.say(b"still there")
        lab.rlvs(f"service edit {service} --flags ops")
        router.says_unreachable(answer(flow, port=SOURCE_PORT + 1))
        equal(len(lab.conns()), 1, "entries with one-packet scheduling")
    check(lab.counter("icmp_error"), "no error was translated")
