# SPDX-License-Identifier: GPL-2.0
"""A refusal leaves the host untracked, and nothing else that is sent meanwhile does.

The packet around a refusal that leaves by a tunnel is an ordinary one of this host, which connection
tracking, address translation and services see.
"""

import re
import socket

from lib import kernel
from lib.clients import refusal
from lib.ktap import Skip, check, each, equal, wait_until
from lib.lab import FLOWS, SCTP, TCP6, UDP4, UDP6, Lab
from lib.packets import Sniffer
from lib.vrf import VRF_VIP, with_vrf

INNER = {4: ("192.168.7.1", "192.168.7.2"), 6: ("2001:db8:7::1", "2001:db8:7::2")}
TRANSLATED = {4: "192.0.2.7", 6: "2001:db8::7"}
LENGTH = {4: 32, 6: 128}
MEMBER = {4: "192.0.3.2", 6: "2001:db8:3::2"}  # the client in the VRF
# The protocol that the outer header names: IPv4 in IPv4, IPv6 in IPv6.
ENCAPSULATED = {4: 4, 6: 41}


def make_lab():
    """The lab, where an error is sent for every datagram."""
    for name in ("ipip", "ip6_tunnel", "fou", "fou6"):
        kernel.need(name)
    lab = Lab()
    lab.lb.unlimit_icmp()
    return lab


def tunnel(lab, flow, remote, *more):
    """A tunnel device on lb, by which answers to the client's inner address leave. What the client
    sends comes without a tunnel."""
    kind = ["ipip"]
    if flow.version == 6:
        kind = ["ip6tnl", "mode", "ip6ip6", "encaplimit", "none"]
    ours, theirs = INNER[flow.version]
    lab.lb.must("ip", "link", "add", "tunnel", "type", *kind, "local", flow.host, "remote", remote,
                *more)
    nodad = [] if flow.version == 4 else ["nodad"]
    lab.lb.must("ip", "addr", "add", f"{ours}/{LENGTH[flow.version]}", "dev", "tunnel", *nodad)
    lab.lb.ip("link set tunnel up", f"route add {theirs}/{LENGTH[flow.version]} dev tunnel")
    lab.client.must("ip", "addr", "add", f"{theirs}/{LENGTH[flow.version]}", "dev", "lo", *nodad)


def take_down(lab, flow):
    """As it was."""
    lab.lb.ip("link del tunnel")
    lab.client.ip(f"addr del {INNER[flow.version][1]}/{LENGTH[flow.version]} dev lo")
    lab.lb.run("nft", "flush", "ruleset")


def call(lab, flow):
    """A first packet of the client, whose answer leaves by the tunnel."""
    with lab.client, flow.socket() as sock:
        sock.bind((INNER[flow.version][1], 0))
        sock.setblocking(False)
        sock.connect_ex((flow.vip, 80))
        if flow.protocol == "udp":
            sock.send(b"anybody there?")


def outer(packet):
    """Source address of the outer header if this is a packet in a packet, else None."""
    version = packet[0] >> 4
    protocol = packet[9] if version == 4 else packet[6]
    if protocol != ENCAPSULATED.get(version):
        return None
    return packet[12:16] if version == 4 else packet[8:24]


@each(FLOWS)
def test_it_is_tracked_and_translated(lab, flow):
    protocol = ENCAPSULATED[flow.version]
    family = "ip" if flow.version == 4 else "ip6"
    icmp = "icmp" if flow.version == 4 else "icmpv6"
    answer = "tcp flags rst" if flow.protocol == "tcp" else f"{icmp} type destination-unreachable"
    done = lab.lb.run("nft", "-f", "-", input=f"""
        table {family} t {{
            chain out {{
                type filter hook output priority 0;
                meta l4proto {protocol} ct state untracked counter comment "untracked"
                meta l4proto {protocol} ct state new counter comment "new"
                {answer} ct state invalid counter comment "invalid"
                {answer} ct state untracked counter comment "refusal"
            }}
            chain post {{
                type nat hook postrouting priority 100;
                meta l4proto {protocol} snat to {TRANSLATED[flow.version]}
            }}
        }}""")
    if done.returncode != 0:
        raise Skip(f"nft: {done.stderr.strip().splitlines()[0]}")
    tunnel(lab, flow, flow.client)
    try:
        lab.balance(flow, ports="8001")
        sniffer = Sniffer(lab.client, "eth")
        call(lab, flow)
        packet = sniffer.first(outer)
        check(packet, "no refusal left by the tunnel")
        text = lab.lb.must("nft", "list", "table", family, "t")
        counts = {comment: int(packets) for packets, comment in
                  re.findall(r'counter packets (\d+) [^\n]*comment "(\w+)"', text)}
        equal(counts, {"untracked": 0, "new": 1, "invalid": 0, "refusal": 1},
              "states that the chain has seen")
        equal(socket.inet_ntop(flow.family, outer(packet)), TRANSLATED[flow.version],
              "the source of the outer packet")
    finally:
        take_down(lab, flow)


@each([TCP6, UDP4, *SCTP])
def test_it_is_not_invalid_in_a_vrf(lab, flow):
    """It passes OUTPUT twice there."""
    kernel.need("sctp")
    with_vrf(lab)
    vip = VRF_VIP[flow.version]
    done = lab.lb.run("nft", "-f", "-", input="""
        table inet t {
            chain out { type filter hook output priority 0; ct state invalid counter drop; }
        }""")
    try:
        equal(done.returncode, 0, f"nft: {done.stderr}")
        lab.rlvs(f"service add {flow.service(80, vip)} --scheduler rr")
        outcome = refusal(lab.client, flow, address=vip, source=MEMBER[flow.version])
        equal(outcome, "refused", "a connection")
        check("packets 0 " in lab.lb.must("nft", "list", "table", "inet", "t"), "it was invalid")
    finally:
        lab.lb.ip("link del port", "link del red")
        lab.lb.run("nft", "flush", "ruleset")


@each([UDP4, UDP6])
def test_it_is_balanced(lab, flow):
    """The far end of the tunnel is a service of this very host."""
    local = [] if flow.version == 4 else ["allow-localremote"]
    tunnel(lab, flow, flow.vip2, *local, "encap", "fou", "encap-sport", "auto", "encap-dport",
           "5555")
    try:
        lab.servers.listen(flow, [8001], address=flow.vip2)
        ends = lab.balance(flow, ports="8001", port=5555, address=flow.vip2)
        lab.balance(flow, ports="8002")
        call(lab, flow)
        wait_until(lambda: lab.destinations(ends)[8001]["stats"]["connections"] == 1,
                   "the outer packet gets to the destination")
    finally:
        take_down(lab, flow)
