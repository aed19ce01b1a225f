# SPDX-License-Identifier: GPL-2.0
"""Steering copes with ports used again, SYN cookies, TCP Fast Open and other listeners.

So it does with packets that no hook has given a socket.
"""

import contextlib
import os
import select
import signal
import socket
import struct
import threading
import time

from lib import genl
from lib.clients import served_by, talk
from lib.flood import Flood
from lib.genl import N
from lib.ktap import Failure, check, each, equal, fewer, in_time, seconds, wait_until
from lib.lab import TCP, TCP4
from lib.packets import Raw, Sniffer, segment

PORTS = range(8001, 8005)
SOURCE_PORT = 40404
AT_ONCE = 0.8  # seconds: a SYN that is lost is sent again after one
MSG_FASTOPEN, TCP_FASTOPEN = 0x20000000, 23


@contextlib.contextmanager
def sysctls(host, **values):
    """Sets net.ipv4's sysctls of a host for a while."""
    before = {}
    for name, value in values.items():
        before[name] = host.read(f"/proc/sys/net/ipv4/{name}").strip()
        host.sysctl("net.ipv4." + name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            host.sysctl("net.ipv4." + name, value)


def connections(lab, service):
    """The connections that the service has counted."""
    return lab.find(service)["stats"]["connections"]


# A port that is used again.


def server_closes(lab, conversation):
    """The server ends the connection first, and so has the socket in TIME_WAIT."""
    lab.servers.finish(lab.servers.served(conversation.name))
    equal(conversation.ends(), "closed", "what the client sees")
    conversation.close()


def time_waits(lab, flow):
    """lb's sockets in TIME_WAIT on the service's port."""
    family = "-4" if flow.version == 4 else "-6"
    text = lab.lb.must("ss", family, "-Htn", "state", "time-wait", "sport = :80")
    return len(text.splitlines())


@each(TCP)
def test_a_port_in_time_wait_connects_at_once(lab, flow):
    """With timestamps and without, with early demultiplexing and without, counted exactly."""
    lab.servers.listen(flow, PORTS)
    service = lab.steer(flow)
    number = 0
    for stamps in (1, 0):
        for early in (1, 0):
            with sysctls(lab.client, tcp_timestamps=stamps), \
                    sysctls(lab.lb, ip_early_demux=early, tcp_early_demux=early):
                for _ in range(4):
                    number += 1
                    conversation = talk(lab.client, flow, source=flow.client,
                                        source_port=SOURCE_PORT + stamps)
                    took = conversation.connect_time
                    in_time(took < seconds(AT_ONCE), f"connecting took {took:.3f} s")
                    equal(conversation.port, PORTS[(number - 1) % 4], "whose turn it is")
                    conversation.bulk(5_000)
                    server_closes(lab, conversation)
                    wait_until(lambda: time_waits(lab, flow), "it is in TIME_WAIT")
    equal(connections(lab, service), number, "connections")
    equal(lab.lb.netstat("TCPTimeWaitOverflow"), 0, "none was dropped")


def test_an_old_syn_does_not_end_time_wait(lab):
    """Its sequence number is below what was received: it is an old duplicate."""
    lab.servers.listen(TCP4, PORTS)
    service = lab.steer(TCP4)
    sniffer = Sniffer(lab.lb, "wan")
    with sysctls(lab.client, tcp_timestamps=0):
        server_closes(lab, talk(lab.client, TCP4, source=TCP4.client, source_port=SOURCE_PORT))
    wait_until(lambda: time_waits(lab, TCP4), "it is in TIME_WAIT")
    last = max(struct.unpack_from("!I", p, 24)[0] for p in sniffer.waiting()
               if p[9] == 6 and struct.unpack_from("!HH", p, 20) == (SOURCE_PORT, 80))
    before = connections(lab, service)
    raw, answers = Raw(lab.client, "eth", lab.lb, "wan"), Sniffer(lab.client, "eth")

    def answer_to(sequence):
        list(answers.waiting())
        raw.send(segment(TCP4.client, TCP4.vip, SOURCE_PORT, 80, seq=sequence))
        packet = answers.first(lambda p: p[9] == 6 and struct.unpack_from(
            "!HH", p, 20) == (80, SOURCE_PORT))
        check(packet, "nothing was answered")
        return packet[33] & 0x3F

    # The client's host resets what it has not asked for, which may end a TIME_WAIT (RFC 1337).
    with sysctls(lab.lb, tcp_rfc1337=1):
        waiting = time_waits(lab, TCP4)
        equal(answer_to(last - 1000), 0x10, "flags of the answer to an old SYN: ACK alone")
        equal(time_waits(lab, TCP4), waiting, "sockets in TIME_WAIT")
        equal(connections(lab, service), before, "connections")
        equal(answer_to(last + 1000), 0x12, "flags of the answer to a new one: SYN and ACK")
        equal(connections(lab, service), before + 1, "connections then")


# SYN cookies.


@each(TCP)
def test_cookies_for_everybody(lab, flow):
    """Every connection is made by a cookie, at some destination, and counted once."""
    lab.servers.listen(flow, PORTS)
    count = fewer(40, 24)
    with sysctls(lab.lb, tcp_syncookies=2):
        for port, scheduler in ((80, "rr"), (81, "wlc"), (82, "sh"), (83, "wrr")):
            service = lab.steer(flow, port=port, scheduler=scheduler)
            received = lab.lb.netstat("SyncookiesRecv")
            held = [talk(where, flow, port) for where in (lab.client, lab.lb)
                    for _ in range(count // 2)]
            got = {}
            for conversation in held:
                conversation.bulk(5_000)
                got[conversation.port] = got.get(conversation.port, 0) + 1
            equal(connections(lab, service), count, f"connections with {scheduler}")
            equal(lab.lb.netstat("SyncookiesRecv") - received, count, "cookies that came back")
            if scheduler == "wlc":
                equal(got, dict.fromkeys(PORTS, count // 4), "connections of each by wlc")
            elif scheduler != "sh":
                check(len(got) >= 3, f"connections of each by {scheduler}: {got}")
            for conversation in held:
                conversation.close()


@each(TCP)
def test_clients_connect_in_a_flood(lab, flow):
    """SYNs from all over fill what listening sockets remember; cookies take over."""
    with lab.lb:
        listeners = [flow.socket() for _ in range(2)]
    for port, sock in zip((8001, 8002), listeners, strict=True):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((flow.vip, port))
        sock.listen(16)
    service = lab.steer(flow, ports="8001-8002")
    over = threading.Event()

    def accept():
        while not over.is_set():
            for sock in select.select(listeners, [], [], 0.05)[0]:
                accepted = sock.accept()[0]
                accepted.sendall(b"served\n")
                accepted.close()

    flood = Flood(lab, flow, 80)
    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    sent = lab.lb.netstat("SyncookiesSent")
    served, slow = 0, 0.0
    try:
        for _ in range(fewer(12, 6)):
            flood.renew(256)
            flood.send(256)
            with lab.client:
                client = flow.socket()
            client.settimeout(seconds(10))
            with client:
                begun = time.monotonic()
                client.connect((flow.vip, 80))
                equal(client.recv(7), b"served\n", "what the client hears")
                slow = max(slow, time.monotonic() - begun)
                served += 1
    finally:
        over.set()
        thread.join()
        for sock in listeners:
            sock.close()
    check(lab.lb.netstat("SyncookiesSent") > sent + 100, "there was no flood of cookies")
    check(served <= connections(lab, service), f"{served} were served")
    print(f"    # {served} clients, the slowest was served after {slow * 1000:.0f} ms", flush=True)


def test_a_false_cookie_is_answered_with_a_reset(lab):
    """Whatever is no connection's, and returns no cookie, is the host's to answer."""
    lab.servers.listen(TCP4, PORTS)
    service = lab.steer(TCP4)
    raw, answers = Raw(lab.client, "eth", lab.lb, "wan"), Sniffer(lab.client, "eth")
    with sysctls(lab.lb, tcp_syncookies=2):
        served_by(lab.client, TCP4, 1)
        before = connections(lab, service)
        list(answers.waiting())
        raw.send(segment(TCP4.client, TCP4.vip, SOURCE_PORT, 80, flags="A", seq=5, ack=77))
        packet = answers.first(lambda p: p[9] == 6 and struct.unpack_from(
            "!HH", p, 20) == (80, SOURCE_PORT))
        check(packet and packet[33] & 4, "no reset came")
        equal(connections(lab, service), before, "connections")


def checksum_errors(host):
    """Segments that TCP has dropped as their checksum was wrong."""
    lines = host.read("/proc/thread-self/net/snmp").splitlines()
    names, values = (line.split() for line in lines if line.startswith("Tcp:"))
    return int(values[names.index("InCsumErrors")])


@each(TCP)
def test_a_cookie_in_a_broken_segment_is_not_counted(lab, flow):
    """TCP drops a segment whose checksum is wrong: it makes no connection."""
    lab.servers.listen(flow, PORTS)
    service = lab.steer(flow)
    raw, answers = Raw(lab.client, "eth", lab.lb, "wan"), Sniffer(lab.client, "eth")
    start = 20 if flow.version == 4 else 40

    def send(**how):
        raw.send(segment(flow.client, flow.vip, SOURCE_PORT, 80, **how))

    with sysctls(lab.lb, tcp_syncookies=2):
        send(seq=1000)
        packet = answers.first(lambda p: p[9 if start == 20 else 6] == 6 and struct.unpack_from(
            "!HH", p, start) == (80, SOURCE_PORT))
        check(packet, "nothing was answered")
        cookie = struct.unpack_from("!I", packet, start + 4)[0]
        back = {"flags": "A", "seq": 1001, "ack": (cookie + 1) % (1 << 32)}
        errors = checksum_errors(lab.lb)
        send(**back, checksum=1)
        wait_until(lambda: checksum_errors(lab.lb) > errors, "TCP has dropped it")
        equal(connections(lab, service), 0, "connections by a segment that was dropped")
        send(**back)
        wait_until(lambda: connections(lab, service) == 1, "the right one is counted")


# TCP Fast Open.


@each(TCP)
def test_fast_open(lab, flow):
    """Data in the SYN is there before the handshake is over; the cookie is any destination's."""
    option = (socket.IPPROTO_TCP, TCP_FASTOPEN, 16)
    lab.servers.listen(flow, PORTS, options=[option])
    service = lab.steer(flow)
    with sysctls(lab.lb, tcp_fastopen=3), sysctls(lab.client, tcp_fastopen=1):
        passive = lab.lb.netstat("TCPFastOpenPassive")
        for number in range(8):
            with lab.client:
                client = flow.socket()
            with client:
                client.sendto(b"early", MSG_FASTOPEN, (flow.vip, 80))
                client.settimeout(seconds(5))
                got = b""
                while not got.endswith(b"early"):
                    part = client.recv(100)
                    check(part, f"connection {number} was closed after {got}")
                    got += part
                equal(int(got.split()[0]), PORTS[number % 4], "who serves")
        # The first one asks for the cookie.
        equal(lab.lb.netstat("TCPFastOpenPassive") - passive, 7, "connections with early data")
    equal(connections(lab, service), 8, "connections")


# Packets that nobody has given a socket, and other sockets.


@each(TCP)
def test_without_early_demultiplexing(lab, flow):
    """Each segment has to be told from those that are steered."""
    lab.servers.listen(flow, PORTS)
    service = lab.steer(flow, scheduler="wlc")
    with sysctls(lab.lb, ip_early_demux=0, tcp_early_demux=0):
        held = [talk(where, flow) for where in (lab.client, lab.lb) * 4]
        for conversation in held:
            conversation.bulk(100_000)
        equal(connections(lab, service), 8, "connections")
        for conversation in held:
            conversation.close()


@each(TCP)
def test_a_listener_on_the_services_own_port(lab, flow):
    """It gets nothing while the service is there, and everything afterwards; what it has
    accepted before stays its own."""
    lab.servers.listen(flow, [80])
    with talk(lab.client, flow) as before:
        equal(before.port, 80, "who serves without a service")
        lab.servers.listen(flow, PORTS)
        service = lab.steer(flow)
        for where in (lab.client, lab.lb):
            equal(served_by(where, flow, 4), dict.fromkeys(PORTS, 1), "who serves with it")
        before.bulk(50_000)
        with talk(lab.client, flow) as during:
            lab.rlvs(f"service del {service}")
            equal(served_by(lab.client, flow, 2), {80: 2}, "who serves after it")
            during.bulk(50_000)
            before.bulk(50_000)


@each(TCP)
def test_a_process_that_binds_the_services_port(lab, flow):
    """With SO_REUSEADDR it can, though connections are there."""
    lab.servers.listen(flow, PORTS)
    lab.steer(flow)
    with talk(lab.client, flow) as conversation:
        lab.servers.listen(flow, [80])
        conversation.bulk(10_000)


@each(TCP)
def test_a_worker_is_its_own_client(lab, flow):
    """From the very address and port that it listens on, as SO_REUSEADDR allows."""
    lab.servers.listen(flow, [8001, 8002])
    lab.steer(flow, ports="8001-8002")
    with talk(lab.lb, flow, source=flow.vip, source_port=0) as conversation:
        conversation.bulk(20_000)
        equal(conversation.name[0], flow.vip, "the client's address")


def test_the_firewall_sees_the_services_port(lab):
    """What INPUT drops is not chosen for; what it sees is the service's port."""
    lab.servers.listen(TCP4, PORTS)
    service = lab.steer(TCP4)
    rules = ("table inet t { chain input { type filter hook input priority 0; "
             "ct state established,related accept; ct state invalid drop; "
             f"ip saddr {TCP4.client2} tcp dport 80 drop; "
             "tcp dport 8001-8004 drop; }; }")
    done = lab.lb.run("nft", "-f", "-", input=rules)
    equal(done.stderr, "", "nft")
    try:
        equal(served_by(lab.client, TCP4, 4, source=TCP4.client), dict.fromkeys(PORTS, 1),
              "clients that the filter lets through")
        before = connections(lab, service)
        with lab.client:
            client = socket.socket()
        client.bind((TCP4.client2, 0))
        client.settimeout(0.3)
        with client:
            try:
                client.connect((TCP4.vip, 80))
                check(False, "the filter was passed over")
            except TimeoutError:
                pass
        equal(connections(lab, service), before, "connections")
        with talk(lab.client, TCP4, source=TCP4.client) as conversation:
            conversation.bulk(200_000)
    finally:
        lab.lb.must("nft", "flush", "ruleset")


class Clients:
    """Conversations that begin and end all the time, in processes of their own."""

    def __init__(self, flow, hosts):
        self._children = []
        for where in hosts:
            readable, writable = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(readable)
                self._work(where, flow, writable)
            os.close(writable)
            self._children.append((child, readable))

    @staticmethod
    def _work(where, flow, writable):
        """One letter for each conversation: what became of it."""
        while True:
            letter = b"."
            try:
                with talk(where, flow) as conversation:
                    conversation.say(b"x" * 500)
            except (OSError, Failure):
                letter = b"F"
            try:
                os.write(writable, letter)
            except OSError:
                os._exit(0)

    def results(self):
        """Ends them; how many conversations were served, and how many not."""
        letters = b""
        for child, readable in self._children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            while part := os.read(readable, 65536):
                letters += part
            os.close(readable)
        return letters.count(b"."), letters.count(b"F")


def all_are_served(lab, flow, hosts, *changes):
    """While the configuration changes, over and over, clients of these hosts connect."""
    director = lab.director()
    clients = Clients(flow, hosts)
    try:
        for _ in range(fewer(10, 4)):
            for command, change in changes:
                director.must(N["RLVS_CMD_DESTINATION_" + command], change)
                time.sleep(0.05)
    finally:
        served, failed = clients.results()
    equal(failed, 0, f"clients that were not served, beside {served} that were")
    check(served > fewer(20, 5), f"only {served} were served")


@each(TCP)
def test_destinations_come_and_go(lab, flow):
    lab.servers.listen(flow, PORTS)
    service, own = lab.steer(flow, scheduler="wlc"), genl.service(flow, 80)
    all_are_served(lab, flow, (lab.client, lab.lb) * 2,
                   ("SET", genl.destination(own, 8001, 8002, weight=0, method=None)),
                   ("DEL", genl.destination(own, 8001, 8002, method=None)),
                   ("ADD", genl.destination(own, 8001, 8002, method=genl.STEER)))
    wait_until(lambda: all(d["active_connections"] == 0
                           for d in lab.destinations(service).values()), "all have ended")


@each(TCP)
def test_methods_come_and_go(lab, flow):
    """A SYN is not lost between the hook that leaves it alone and the one that steers it. Those of
    the host itself are not promised that: see locking.rst."""
    lab.servers.listen(flow, PORTS)
    lab.steer(flow, scheduler="wlc")
    own = genl.service(flow, 80)
    all_are_served(lab, flow, (lab.client,) * 3,
                   ("SET", genl.destination(own, 8001, 8004, method=genl.NAT)),
                   ("SET", genl.destination(own, 8001, 8004, method=genl.STEER)))
