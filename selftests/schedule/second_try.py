# SPDX-License-Identifier: GPL-2.0
"""A connection whose destination refuses it goes to another one, and the client does not notice.

A firewall refuses, after the choice, what there is a process for: see lib/nft.py.
"""

import re
import socket
import struct
import time

from lib import kernel
from lib.clients import refusal, talk
from lib.ktap import check, each, equal, fewer, in_time, is_debug_kernel, seconds
from lib.lab import FLOWS, SCTP, TCP, TCP4, TCP6, UDP, UDP4, UDP6
from lib.nft import CleanLab, judge, refuse, replace, tries
from lib.packets import Sniffer
from lib.vrf import VRF_VIP, with_vrf

ICMP, TCP_RST = {4: (1, 3), 6: (58, 1)}, 4
RETRY_COUNTERS = ("retried", "retry_not_kept", "retry_no_destination", "retry_not_handled")
IP_PKTINFO, RECVERR = 8, {4: (socket.IPPROTO_IP, 11), 6: (socket.IPPROTO_IPV6, 25)}
TCP_FASTOPEN, MSG_FASTOPEN, TCPI_OPT_SYN_DATA = 23, 0x20000000, 32


class Case:
    """A flow and where its client is."""

    def __init__(self, flow, where):
        self.flow = flow
        self.where = where

    def __str__(self):
        return f"{self.flow}, {self.where}"

    def place(self, lab):
        """The client's host, and the device by which answers reach it."""
        return (lab.client, "eth") if self.where == "remote" else (lab.lb, "lo")


WHERE = ("remote", "local")
CASES = [Case(flow, where) for flow in FLOWS for where in WHERE]
SCTP_CASES = [Case(flow, where) for flow in SCTP for where in WHERE]


def make_lab():
    """The lab, where an error is sent for every datagram."""
    kernel.need("sctp")
    lab = CleanLab()
    lab.lb.unlimit_icmp()
    return lab


def counters(lab):
    """The counters of second tries, by name."""
    director = lab.director()
    return {name: director.counter(name) for name in RETRY_COUNTERS}


def changes(lab, before):
    """Which of them have changed, and by how much."""
    return {name: count - before[name] for name, count in counters(lab).items()
            if count != before[name]}


def is_refusal(flow, packet):
    """Whether an IP packet without options refuses a connection of this flow."""
    if packet[0] >> 4 != flow.version:
        return False
    protocol, body = (packet[9], packet[20:]) if flow.version == 4 else (packet[6], packet[40:])
    number, kind = ICMP[flow.version]
    if protocol == number:
        return body[0] == kind
    return flow.protocol == "tcp" and protocol == 6 and bool(body[13] & TCP_RST)


def refusals(flow, sniffer):
    """How many refusals have arrived."""
    return sum(is_refusal(flow, packet) for packet in sniffer.waiting())


def connections(lab, service):
    """How many each destination has got."""
    return {port: d["stats"]["connections"] for port, d in lab.destinations(service).items()}


@each(CASES)
def test_it_goes_to_another_one(lab, case):
    flow, (host, device) = case.flow, case.place(lab)
    lab.servers.listen(flow, range(8001, 8005))
    service = lab.balance(flow)
    refuse(lab, flow, [8001, 8002, 8003])
    before, number = counters(lab), fewer(4, 2)
    sniffer = Sniffer(host, device)
    for done in range(1, number + 1):
        with talk(host, flow) as conversation:
            equal(conversation.port, 8004, "the server")
            conversation.say(b"once more")
            got = connections(lab, service)
            check(max(got.values()) <= done, f"one got it twice: {got} after {done}")
            port = conversation.name[1]
            equal([c["destination_port"] for c in lab.conns() if c["client_port"] == port], [8004],
                  "destinations of the connection's entries")
    if case.where == "remote":
        equal(refusals(flow, sniffer), 0, "refusals that reached the client")
    tried = tries(lab)
    equal(connections(lab, service), tried | {8004: number}, "connections of the destinations")
    check(sum(tried.values()) >= number, f"few have refused: {tried}")
    equal(changes(lab, before), {"retried": sum(tried.values())}, "counters of second tries")
    stats = lab.find(service)["stats"]
    equal(stats["connections"], number, "connections of the service")
    if flow.protocol == "udp":
        equal((stats["in_packets"], stats["out_packets"]), (2 * number, 2 * number),
              "packets of the service")


@each(CASES)
def test_all_refuse(lab, case):
    """Then the client hears it, once."""
    flow, (host, device) = case.flow, case.place(lab)
    lab.servers.listen(flow, range(8001, 8005))
    lab.balance(flow)
    refuse(lab, flow, range(8001, 8005))
    before = counters(lab)
    sniffer = Sniffer(host, device)
    begun = time.monotonic()
    equal(refusal(host, flow), "refused", "the client")
    equal(tries(lab), dict.fromkeys(range(8001, 8005), 1), "tries of each destination")
    if case.where == "remote":
        equal(refusals(flow, sniffer), 1, "refusals that reached the client")
    in_time(time.monotonic() - begun < 3 or is_debug_kernel(), "it took longer than one round")
    equal(changes(lab, before), {"retried": 3, "retry_no_destination": 1},
          "counters of second tries")


@each([TCP4, UDP6])
def test_more_than_may_be_tried(lab, flow):
    """After sixteen the client is refused."""
    service = lab.balance(flow, ports="8001-8019")
    lab.servers.listen(flow, range(8001, 8020))
    refuse(lab, flow, range(8001, 8020))
    before = counters(lab)
    equal(refusal(lab.client, flow), "refused", "the client")
    equal(sorted(tries(lab).values()), [0] * 3 + [1] * 16, "tries of each destination")
    equal(changes(lab, before), {"retried": 15, "retry_no_destination": 1},
          "counters of second tries")
    check(lab.find(service)["stats"]["connections"] == 1, "the service counts it more than once")


@each(SCTP_CASES)
def test_an_abort_answers_the_init(lab, case):
    """Nobody is at the port; who sends the INIT again waits for a second."""
    flow, (host, _) = case.flow, case.place(lab)
    source = flow.client if case.where == "remote" else flow.host
    lab.servers.listen(flow, [8002, 8003])
    lab.balance(flow, ports="8001-8003")
    before = counters(lab)
    ports = set()
    for _ in range(4):
        with talk(host, flow, source=source) as conversation:
            ports.add(conversation.port)
            conversation.bulk(20_000)
            in_time(conversation.connect_time < 0.9 or is_debug_kernel(),
                    f"connecting took {conversation.connect_time:.1f} s")
    equal(ports, {8002, 8003}, "the servers")
    found = changes(lab, before)
    check(set(found) == {"retried"} and 1 <= found["retried"] <= 4, f"counters: {found}")


@each(SCTP)
def test_nobody_takes_the_association(lab, flow):
    lab.balance(flow, ports="8001-8003")
    before = counters(lab)
    equal(refusal(lab.client, flow, source=flow.client), "refused", "the client")
    equal(changes(lab, before), {"retried": 2, "retry_no_destination": 1},
          "counters of second tries")


@each(TCP)
def test_an_error_for_a_syn(lab, flow):
    """A firewall may answer in this way too."""
    lab.servers.listen(flow, [8001, 8002])
    lab.balance(flow, ports="8001-8002")
    judge(lab.lb, flow, [8001], "reject with icmpx type port-unreachable")
    with talk(lab.client, flow) as conversation:
        equal(conversation.port, 8002, "the server")
    equal(tries(lab), {8001: 1}, "tries")


@each(TCP)
def test_data_and_options_of_the_syn(lab, flow):
    """TCP Fast Open: the listener that is tried then gets the data with the SYN."""
    lab.client.sysctl("net.ipv4.tcp_fastopen", 1 | 4)  # a client; no cookie is needed
    lab.lb.sysctl("net.ipv4.tcp_fastopen", 2 | 0x200)
    options = [(socket.IPPROTO_TCP, TCP_FASTOPEN, 16)]
    lab.servers.listen(flow, [8001, 8002], options=options)
    lab.balance(flow, ports="8001-8002")
    refuse(lab, flow, [8001])

    def passive():
        return lab.lb.netstat("TCPFastOpenPassive")

    begun, data = passive(), b"with the first packet"
    with lab.client, flow.socket() as sock:
        sock.settimeout(10)
        sock.sendto(data, MSG_FASTOPEN, (flow.vip, 80))
        received = b""
        while not received.endswith(data):
            part = sock.recv(4096)
            check(part, f"closed after {received}")
            received += part
        equal(received.split()[0], b"8002", "the server")
        options = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[5]
    equal(options & 7, 7, "timestamps, SACK and window scaling in tcpi_options")
    check(options & TCPI_OPT_SYN_DATA, "the data of the SYN was not taken")
    equal(tries(lab), {8001: 1}, "tries")
    equal(passive() - begun, 1, "connections whose SYN brought data")


@each(UDP)
def test_only_the_first_datagram(lab, flow):
    """An error about a later one is the client's; the first one may have been read."""
    with lab.lb:
        silent = [flow.socket() for _ in range(2)]
    for port, sock in zip((8001, 8002), silent, strict=True):
        sock.bind((flow.vip, port))
        sock.settimeout(seconds(5))
    lab.balance(flow, ports="8001-8002")
    before = counters(lab)
    with lab.client, flow.socket() as client:
        client.connect((flow.vip, 80))
        client.send(b"first")
        equal(silent[0].recv(100), b"first", "what the destination got")
        refuse(lab, flow, [8001])
        client.send(b"second")
        client.settimeout(5)
        try:
            client.recv(100)
            check(False, "something came back")
        except ConnectionRefusedError:
            pass
        silent[1].settimeout(0.2)
        try:
            check(False, f"the other destination got {silent[1].recv(100)}")
        except TimeoutError:
            pass
    equal(changes(lab, before), {}, "counters of second tries")
    for sock in silent:
        sock.close()


@each([TCP6, UDP4])
def test_after_an_answer_nothing_is_tried_again(lab, flow):
    """The process is refused to the client when the connection is there."""
    lab.servers.listen(flow, [8001, 8002])
    lab.balance(flow, ports="8001-8002")
    before = counters(lab)
    with talk(lab.client, flow) as conversation:
        refuse(lab, flow, [conversation.port])
        conversation.sock.send(b"and now")
        try:
            check(conversation.sock.recv(100) == b"", "it was served")
        except ConnectionError:
            pass
    equal(tries(lab), {conversation.port: 1}, "packets refused")
    equal(changes(lab, before), {}, "counters of second tries")


@each(UDP)
def test_a_large_one_is_not_kept(lab, flow):
    lab.servers.listen(flow, [8001, 8002])
    lab.balance(flow, ports="8001-8002")
    refuse(lab, flow, [8001])
    before = counters(lab)
    outcomes = []
    for _ in range(2):
        with lab.client, flow.socket() as client:
            client.settimeout(5)
            client.connect((flow.vip, 80))
            client.send(bytes(5000))
            try:
                outcomes.append(client.recv(65536).split()[0])
            except ConnectionRefusedError:
                outcomes.append("refused")
    equal(sorted(map(str, outcomes)), ["b'8002'", "refused"], "the clients")
    equal(changes(lab, before), {"retry_not_kept": 1}, "counters of second tries")


def rules(host, flow, *lines):
    """Changes the rules by which routes of this family are chosen."""
    host.must("ip", f"-{flow.version}", "-batch", "-",
              input="".join(f"rule {line}\n" for line in lines))


def by_loopback(flow):
    """A control message by which a datagram leaves by the loopback device (IP_PKTINFO)."""
    index = socket.if_nametoindex("lo")
    if flow.version == 4:
        source = socket.inet_aton(flow.host)
        return socket.IPPROTO_IP, IP_PKTINFO, struct.pack("=i4s4s", index, source, b"")
    return socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, struct.pack("=16si", b"", index)


@each(UDP)
def test_one_without_a_route_is_refused(lab, flow):
    """A rule has a route only for the device that each datagram names, which a second try does not
    know."""
    lab.servers.listen(flow, [8001, 8002])
    lab.balance(flow, ports="8001-8002")
    refuse(lab, flow, [8001])
    before = counters(lab)
    rules(lab.lb, flow, "add pref 3 lookup local", "del pref 0",
          f"add pref 1 to {flow.vip} oif lo lookup local",
          f"add pref 2 to {flow.vip} unreachable")
    outcomes = []
    try:
        for _ in range(2):
            with lab.lb, flow.socket() as client:
                client.settimeout(5)
                client.bind((flow.host, 0))
                client.setsockopt(*RECVERR[flow.version], 1)
                client.sendmsg([b"anybody there?"], [by_loopback(flow)], 0, (flow.vip, 80))
                try:
                    outcomes.append(client.recv(100).split()[0])
                except ConnectionRefusedError:
                    outcomes.append("refused")
    finally:
        rules(lab.lb, flow, "add pref 0 lookup local", "del pref 1", "del pref 2", "del pref 3")
    equal(sorted(map(str, outcomes)), ["b'8002'", "refused"], "the clients")
    equal(changes(lab, before), {"retry_not_handled": 1}, "counters of second tries")


@each(TCP)
def test_a_template_stays(lab, flow):
    """A persistent client's connection goes elsewhere, alone."""
    lab.servers.listen(flow, [8001, 8002])
    lab.rlvs(f"service add {flow.service(80)} --scheduler rr --persistent 60")
    lab.rlvs(f"dest add {flow.service(80)} :8001-8002 --method nat")
    with talk(lab.client, flow) as conversation:
        home = conversation.port
    refuse(lab, flow, [home])
    with talk(lab.client, flow) as conversation:
        equal(conversation.port, 8001 + 8002 - home, "the server while the other one refuses")
    replace(lab.lb, "")
    with talk(lab.client, flow) as conversation:
        equal(conversation.port, home, "the server when it is back")


@each([TCP6, UDP4])
def test_connection_tracking_sees_each_try(lab, flow):
    """As a flow of its own, in which nothing is invalid."""
    lab.servers.listen(flow, range(8001, 8004))
    lab.balance(flow, ports="8001-8003")
    judge(lab.lb, flow, [8001, 8002], "ct state new reject with "
         + ("tcp reset" if flow.protocol == "tcp" else "icmpx type port-unreachable"))
    lab.lb.must("nft", "-f", "-", input="""
        table inet strict {
            chain in { type filter hook input priority -10; ct state invalid counter drop; }
            chain out { type filter hook output priority 10; ct state invalid counter drop; }
        }""")
    for host in (lab.client, lab.lb):
        with talk(host, flow) as conversation:
            equal(conversation.port, 8003, "the server")
            conversation.bulk(20_000)
    equal(tries(lab), {8001: 2, 8002: 2}, "tries")
    text = lab.lb.must("nft", "list", "table", "inet", "strict")
    equal(re.findall(r"counter packets (\d+)", text), ["0", "0"], "invalid packets")


@each([TCP4, TCP6, UDP6])
def test_in_a_vrf(lab, flow):
    with_vrf(lab)
    vip, inside = VRF_VIP[flow.version], [(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"red\0")]
    try:
        lab.servers.listen(flow, [8001, 8002], address=vip, options=inside)
        lab.balance(flow, ports="8001-8002", address=vip)
        refuse(lab, flow, [8001])
        for host, options in ((lab.client, []), (lab.lb, inside)):
            with talk(host, flow, address=vip, options=options) as conversation:
                equal(conversation.port, 8002, "the server")
                conversation.say(b"once more")
        equal(tries(lab), {8001: 2}, "tries")
    finally:
        lab.lb.ip("link del port", "link del red")
