# SPDX-License-Identifier: GPL-2.0
"""The contenders, and packets through the host with each of them."""

import contextlib
import os
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from lib.packets import datagram, segment  # noqa: E402

RUN = "/sys/kernel/debug/rlvs_generator/run"
REQUEST = struct.Struct("=IIIIII16s")
RESULT = struct.Struct("=QQHHI")
RECEIVE, SEND = 0, 1
VIP = {4: "10.9.0.10", 6: "fd09::10"}
CLIENT = {4: "10.9.16.1", 6: "fd09::1:1"}
SERVICE, PROCESS, PORT = 80, 8001, 1024


def run(*command, **options):
    """Runs a program that has to succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def load(*modules):
    for module in modules:
        run("modprobe", "-d", os.environ["BENCH_MODULES"], module)


def unload(*modules):
    for module in modules:
        run("rmmod", module)


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
        self.sockets = []
        for family in (socket.AF_INET, socket.AF_INET6):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                sock = socket.socket(family, kind)
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind(("", PROCESS))
                if kind == socket.SOCK_STREAM:
                    sock.listen(64)
                self.sockets.append(sock)

    @staticmethod
    def send(way, packets, count, ports=0, flows=0, first=0):
        """Seconds that so many packets took; and (those that arrived, source, target) port."""
        data = REQUEST.pack(way, count, len(packets), ports, flows, first, b"wan")
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
def rlvs(method, protocols):
    load("nf_reject_ipv4", "nf_reject_ipv6", "nf_defrag_ipv4", "nf_defrag_ipv6")
    run("insmod", os.environ["RLVS_KO"])
    for protocol in protocols:
        for version in (4, 6):
            host = VIP[version] if version == 4 else f"[{VIP[version]}]"
            service = f"{protocol}://{host}:{SERVICE}"
            run("rlvs", "service", "add", service, "--scheduler", "rr")
            run("rlvs", "dest", "add", service, f":{PROCESS}", "--method", method)
    try:
        yield
    finally:
        unload("rlvs")


@contextlib.contextmanager
def ip_vs():
    load("ip_vs", "ip_vs_rr")
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
        modules = [line.split()[0] for line in open("/proc/modules", encoding="ascii")
                   if line.startswith(("nf", "nft"))]
        for _ in range(8):
            modules = [m for m in modules if subprocess.run(
                ["rmmod", m], capture_output=True, check=False).returncode]


CONTENDERS = {
    "direct": direct,
    "rlvs": lambda: rlvs("nat", ("tcp", "udp")),
    "ip_vs": ip_vs,
    "nftables": nftables,
}


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

    def establish(self, count=1):
        """Opens so many connections."""
        vary = {"ports": 50000, "flows": count} if count > 1 else {}
        if self.protocol == "udp":
            return [Bench.send(RECEIVE, [self.request()], count, **vary),
                    Bench.send(SEND, [self.reply()], count, **vary)]
        return [Bench.send(RECEIVE, [self.request("S", b"", 1000, 0)], count, **vary),
                Bench.send(SEND, [self.reply("SA", b"", 2000, 1001)], count, **vary),
                Bench.send(RECEIVE, [self.request("A", b"")], count, **vary)]
