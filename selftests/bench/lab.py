# SPDX-License-Identifier: GPL-2.0
"""The contenders, and packets through the host with each of them."""

import contextlib
import os
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from lib import repair  # noqa: E402
from lib.packets import datagram, segment  # noqa: E402

RUN = "/sys/kernel/debug/rlvs_generator/run"
REQUEST = struct.Struct("=8I16s")
CONNECT = "/sys/kernel/debug/rlvs_connector/run"
CONNECTIONS = struct.Struct("=IiiI28s")
RESULT = struct.Struct("=QQHHI")
RECEIVE, SEND = 0, 1
VIP = {4: "10.9.0.10", 6: "fd09::10"}
CLIENT = {4: "10.9.16.1", 6: "fd09::1:1"}
SERVICE, PROCESS, PORT = 80, 8001, 1024
KINDS = [("udp", 4), ("tcp", 4), ("udp", 6), ("tcp", 6)]


def run(*command, **options):
    """Runs a program that has to succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def load(*names, options=()):
    """Loads modules; one if there are options."""
    several = () if options else ("-a",)
    run("modprobe", "-d", os.environ["BENCH_MODULES"], *several, *names, *options)


RLVS_NEEDS = "nf_reject_ipv4", "nf_reject_ipv6", "nf_conntrack"
# As an operator would set it: with what is usual its table stops growing at 4096 buckets.
IP_VS_OPTIONS = ("conn_tab_bits=20",)


def unload(*names):
    run("rmmod", *names)


def modules(prefix):
    """The modules that are loaded whose names begin so, and how often each is used."""
    with open("/proc/modules", encoding="ascii") as file:
        return [(name, int(users)) for name, _, users, *_ in map(str.split, file)
                if name.startswith(prefix)]


def listening(port, protocol, version, v6only=False):
    """A process's socket, on all addresses: of both families if it is of IPv6, and not `v6only`."""
    sock = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6,
                         socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
    if v6only:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind(("", port))
    if protocol == "tcp":
        sock.listen(64)
        # So that a connection which does not come is missed.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 2, 0))
    return sock


class Bench:
    """The host: one device that packets come from, and a process behind the service."""

    def __init__(self):
        load("dummy")
        run("ip", "link", "add", "wan", "type", "dummy")
        run("ip", "addr", "add", VIP[4] + "/8", "dev", "wan")
        run("ip", "addr", "add", VIP[6] + "/64", "dev", "wan", "nodad")
        run("ip", "link", "set", "wan", "up")
        for n in (4, 6):
            run("ip", f"-{n}", "neigh", "add", CLIENT[n], "dev", "wan", "lladdr",
                "02:00:00:00:00:09")
        self.client = None
        # One of each family on the same port.
        self.sockets = {kind: listening(PROCESS, *kind, v6only=kind[1] == 6) for kind in KINDS}

    def clients(self):
        """Another network namespace, with routes to the service; once."""
        if self.client is None:
            run("ip", "netns", "add", "client")
            run("ip", "link", "add", "lan", "type", "veth", "peer", "name", "lan", "netns",
                "client")
            for where, end in (((), 1), (("-n", "client"), 2)):
                run("ip", *where, "addr", "add", f"10.10.0.{end}/24", "dev", "lan")
                run("ip", *where, "addr", "add", f"fd10::{end}/64", "dev", "lan", "nodad")
                run("ip", *where, "link", "set", "lan", "up")
            run("ip", "-n", "client", "route", "add", "default", "via", "10.10.0.1")
            run("ip", "-n", "client", "route", "add", "default", "via", "fd10::1")
            # Sockets that would stay in TIME_WAIT are freed: ports do not run out.
            run("ip", "netns", "exec", "client", "sysctl", "-q", "-w",
                "net.ipv4.tcp_max_tw_buckets=0", "net.ipv4.ip_local_port_range=10000 65535")
            run("insmod", os.environ["BENCH_CONNECTOR"])
            self.client = open("/run/netns/client", "rb")
        return self.client

    def connect(self, version, listener, count):
        """Seconds that so many connections took, made and closed one after the other."""
        if version == 4:
            address = struct.pack("=H", socket.AF_INET) + struct.pack(
                "!H4s8x", SERVICE, socket.inet_pton(socket.AF_INET, VIP[4]))
        else:
            address = struct.pack("=H", socket.AF_INET6) + struct.pack(
                "!HI16sI", SERVICE, 0, socket.inet_pton(socket.AF_INET6, VIP[6]), 0)
        with open(CONNECT, "r+b", buffering=0) as file:
            file.write(CONNECTIONS.pack(count, self.clients().fileno(), listener.fileno(),
                                        len(address), address))
            nanoseconds, made = struct.unpack("=QQ", file.read(16))
        if made != count:
            sys.exit(f"{made} of {count} connections were made")
        return nanoseconds / 1e9

    @staticmethod
    def send(way, packets, count, ports=0, flows=0, first=0, stride=1, processors=1):
        """Seconds that so many packets took; and (those that arrived, source, target) port."""
        data = REQUEST.pack(way, count, len(packets), ports, flows, first, stride, processors,
                            b"wan")
        for packet in packets:
            data += struct.pack("=H", len(packet)) + packet
        with open(RUN, "r+b", buffering=0) as file:
            file.write(data)
            nanoseconds, arrived, source, target, _ = RESULT.unpack(file.read(RESULT.size))
        return nanoseconds / 1e9, (arrived, source, target)


@contextlib.contextmanager
def direct():
    yield


@contextlib.contextmanager
def rlvs(method, protocols, flags="none"):
    load(*RLVS_NEEDS)
    run("insmod", os.environ["RLVS_KO"])
    for protocol in protocols:
        for version in (4, 6):
            host = VIP[version] if version == 4 else f"[{VIP[version]}]"
            service = f"{protocol}://{host}:{SERVICE}"
            run("rlvs", "service", "add", service, "--scheduler", "rr", "--flags", flags)
            run("rlvs", "dest", "add", service, f":{PROCESS}", "--method", method)
    if method == "steer":
        # The port of a service whose method has become steering is forgotten as one that rewrites
        # by work that runs once a second.
        time.sleep(1.5)
    try:
        yield
    finally:
        unload("rlvs")


@contextlib.contextmanager
def ip_vs():
    load("ip_vs", options=IP_VS_OPTIONS)
    load("ip_vs_rr")
    for option in ("-t", "-u"):
        for version in (4, 6):
            host = VIP[version] if version == 4 else f"[{VIP[version]}]"
            run("ipvsadm", "-A", option, f"{host}:{SERVICE}", "-s", "rr")
            run("ipvsadm", "-a", option, f"{host}:{SERVICE}", "-r", f"{host}:{PROCESS}", "-m")
    try:
        yield
    finally:
        run("ipvsadm", "-C")
        unload("ip_vs_rr", "ip_vs")


@contextlib.contextmanager
def nftables():
    load("nft_chain_nat", "nft_redir", "nft_numgen", "nft_nat", "nft_ct")
    # As for ip_vs: with what is usual it drops packets when its chains get too long.
    run("sysctl", "-q", "-w", "net.netfilter.nf_conntrack_max=2000000",
        "net.netfilter.nf_conntrack_buckets=1048576")
    rules = "\n".join(
        f"table {family} bench {{ chain pre {{ type nat hook prerouting priority -100;"
        f" {family} daddr {VIP[version]} {protocol} dport {SERVICE} redirect to"
        f" :numgen inc mod 1 map {{ 0 : {PROCESS} }}; }}; }}"
        for version, family in ((4, "ip"), (6, "ip6")) for protocol in ("tcp", "udp"))
    run("nft", "-f", "-", input=rules)
    try:
        yield
    finally:
        run("nft", "flush", "ruleset")
        # Unloading defragmentation takes a second, and rlvs and ip_vs load it too.
        while unused := [name for name, users in modules("nf")
                         if not users and not name.startswith("nf_defrag")]:
            unload(*unused)


UNCOUNTED = "rlvs steer, uncounted"
STEERING = ("rlvs steer", UNCOUNTED)
# Where connections are opened.
OPENING = {
    "direct": direct,
    "rlvs nat": lambda: rlvs("nat", ("tcp", "udp")),
    "rlvs steer": lambda: rlvs("steer", ("tcp",)),
    UNCOUNTED: lambda: rlvs("steer", ("tcp",), "uncounted"),
    "ip_vs": ip_vs,
    "nftables": nftables,
}
# Elsewhere: packets of which none is a first or last one are the same to both that steer.
CONTENDERS = {name: contender for name, contender in OPENING.items() if name != UNCOUNTED}


def translates(name):
    """Whether a contender changes the port that packets go to."""
    return name not in ("direct", *STEERING)


@contextlib.contextmanager
def generator():
    """First of all: of two hooks with the same priority the later one is called first."""
    run("insmod", os.environ["BENCH_GENERATOR"])
    try:
        yield
    finally:
        unload("rlvs_generator")


class Flow:
    """Packets of connections of one protocol and family, both ways."""

    def __init__(self, protocol, version, translated):
        self.protocol, self.version = protocol, version
        self.process = PROCESS if translated else SERVICE

    def request(self, flags="A", data=b"x" * 64, seq=1001, ack=2001):
        ends = CLIENT[self.version], VIP[self.version], PORT, SERVICE
        if self.protocol == "udp":
            return datagram(*ends, data)
        return segment(*ends, flags=flags, data=data, seq=seq, ack=ack)

    def reply(self, flags="A", data=b"y" * 64, seq=2001, ack=1001):
        ends = VIP[self.version], CLIENT[self.version], self.process, PORT
        if self.protocol == "udp":
            return datagram(*ends, data)
        return segment(*ends, flags=flags, data=data, seq=seq, ack=ack)

    def socket(self):
        """A new socket for TCP."""
        return socket.socket(socket.AF_INET if self.version == 4 else socket.AF_INET6)

    @contextlib.contextmanager
    def process_end(self):
        """The process's end of the connection, after establish(): TCP looks for it early."""
        if self.protocol == "udp":
            yield
            return
        sock = repair.end_of(contextlib.nullcontext(), self, (VIP[self.version], self.process),
                             (CLIENT[self.version], PORT), 2001, 1001)
        try:
            yield
        finally:
            # So that closing it sends nothing.
            sock.setsockopt(socket.IPPROTO_TCP, repair.TCP_REPAIR, repair.REPAIR_ON)
            sock.close()

    def establish(self, count=1):
        """Opens so many connections."""
        vary = {"ports": 50000, "flows": count} if count > 1 else {}
        if self.protocol == "udp":
            return [Bench.send(RECEIVE, [self.request()], count, **vary),
                    Bench.send(SEND, [self.reply()], count, **vary)]
        return [Bench.send(RECEIVE, [self.request("S", b"", 1000, 0)], count, **vary),
                Bench.send(SEND, [self.reply("SA", b"", 2000, 1001)], count, **vary),
                Bench.send(RECEIVE, [self.request("A", b"")], count, **vary)]
