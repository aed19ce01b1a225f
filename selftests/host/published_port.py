# SPDX-License-Identifier: GPL-2.0
"""Balanced packets reach the listed process past rules that redirect a destination's port.

The rules publish the port into a container, redirect it to a sidecar, or hand it to a transparent
proxy.
"""

import re
import socket

from lib.clients import refusal, talk
from lib.ktap import each, equal, seconds, wait_until
from lib.lab import FLOWS, TCP, TCP4, TCP6, UDP, UDP4, UDP6, Lab
from lib.servers import Servers
from lib.vrf import VRF_VIP, with_vrf

CONTAINER = {4: "203.0.113.2", 6: "2001:db8:5::2"}
IP = {4: "ip", 6: "ip6"}


class ContainerLab(Lab):
    """The lab with a container behind lb that serves port 80."""

    def __init__(self):
        super().__init__()
        self.container = self.add_host(CONTAINER[4], CONTAINER[6])
        self.inside = Servers(self.container)
        for flow in FLOWS:
            self.inside.listen(flow, [80], address=CONTAINER[flow.version])


make_lab = ContainerLab


def nft(lab, rules):
    """Nothing but these rules."""
    lab.lb.must("nft", "-f", "-", input="flush ruleset\n" + rules)


def nat(rule, extra=""):
    """A table with the rule in both chains that change where packets go."""
    chains = "".join(f"chain {hook} {{\n type nat hook {hook} priority -100\n {rule}\n}}\n"
                     for hook in ("prerouting", "output"))
    return f"table inet published {{\n{chains}{extra}}}\n"


def publish(flow):
    """The rule of a port that is published into the container, as Docker makes it: 8001."""
    inside = flow.endpoint(CONTAINER[flow.version], 80)
    return (f"fib daddr type local {flow.protocol} dport 8001 "
            f"dnat {IP[flow.version]} to {inside}")


def tracked(lab, flow):
    """The flows that connection tracking has, as text."""
    done = lab.lb.must("conntrack", "-L", "-f", "ipv4" if flow.version == 4 else "ipv6",
                       "-p", flow.protocol)
    return done.splitlines()


@each(FLOWS)
def test_published_into_a_container(lab, flow):
    """Straight to the port a client gets to the container, by the service to the process."""
    lab.servers.listen(flow, [8001])
    nft(lab, nat(publish(flow)))
    lab.balance(flow, ports="8001")
    with talk(lab.client, flow, 8001) as conversation:
        equal(conversation.port, 80, "the server of a client that goes straight to the port")
    for where in (lab.client, lab.lb):
        with talk(where, flow) as conversation:
            equal(conversation.port, 8001, "the server of a client of the service")
            conversation.bulk(50_000)
            # The flow is tracked anew in the middle.
            lab.lb.must("conntrack", "-F")
            conversation.bulk(50_000)


@each(TCP)
def test_published_while_connections_last(lab, flow):
    """The rules come later than the connection, and tracking with them."""
    nft(lab, "")
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    held = [talk(where, flow) for where in (lab.client, lab.lb)]
    nft(lab, nat(publish(flow)))
    talk(lab.client, flow).close()
    for conversation in held:
        equal(conversation.port, 8001, "the server")
        conversation.bulk(50_000)
        conversation.close()


@each(UDP)
def test_each_datagram_by_itself(lab, flow):
    lab.servers.listen(flow, [8001])
    nft(lab, nat(publish(flow)))
    service = flow.service(80)
    lab.rlvs(f"service add {service} --scheduler rr --flags ops")
    lab.rlvs(f"dest add {service} :8001 --method nat")
    for where in (lab.client, lab.lb):
        with talk(where, flow) as conversation:
            equal(conversation.port, 8001, "the server")
            lab.lb.must("conntrack", "-F")
            conversation.say(b"another one")


@each([TCP4, UDP6])
def test_redirected_to_a_sidecar(lab, flow):
    lab.servers.listen(flow, [8001, 9999])
    nft(lab, nat(f"{flow.protocol} dport 8001 redirect to :9999"))
    lab.balance(flow, ports="8001")
    for where in (lab.client, lab.lb):
        with talk(where, flow) as conversation:
            equal(conversation.port, 8001, "the server")
            conversation.bulk(50_000)


@each([TCP6, UDP4])
def test_nobody_listens_on_the_host(lab, flow):
    """Where no proxy listens on the published port, there is no destination."""
    nft(lab, nat(publish(flow)))
    lab.balance(flow, ports="8001")
    for where in (lab.client, lab.lb):
        equal(refusal(where, flow), "refused", "a connection")


@each([TCP6, UDP4])
def test_untracked_and_in_a_zone(lab, flow):
    """Rules of the raw table see the service's port, and hold."""
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    for what, tracks in (("notrack", False), ("ct zone set 7", True)):
        rule = f"{flow.protocol} dport 80 {what}\n{flow.protocol} sport 8001 {what}"
        raw = "".join(f"chain raw{hook} {{\n type filter hook {hook} priority -300\n {rule}\n}}\n"
                      for hook in ("prerouting", "output"))
        nft(lab, nat(publish(flow), raw))
        lab.lb.must("conntrack", "-F")
        for where in (lab.client, lab.lb):
            with talk(where, flow) as conversation:
                equal(conversation.port, 8001, f"the server, with {what}")
                conversation.bulk(20_000)
                found = [line for line in tracked(lab, flow) if f"={conversation.name[1]} " in line]
                equal(bool(found), tracks, f"whether it is tracked, with {what}: {found}")
                equal(all("zone=7" in line for line in found), True, f"the zone: {found}")


@each([UDP6])
def test_packets_are_counted_once(lab, flow):
    lab.servers.listen(flow, [8001])
    nft(lab, nat(publish(flow)))
    lab.lb.sysctl("net.netfilter.nf_conntrack_acct", 1)
    lab.balance(flow, ports="8001")
    for where in (lab.client, lab.lb):
        lab.lb.must("conntrack", "-F")
        with talk(where, flow) as conversation:
            conversation.say(b"a second one")
            found = [line for line in tracked(lab, flow) if f"={conversation.name[1]} " in line]
            equal([re.findall(r"packets=(\d+)", line) for line in found], [["2", "2"]],
                  "packets that connection tracking has counted")


@each(TCP)
def test_strict_tracking_finds_nothing_invalid(lab, flow):
    lab.servers.listen(flow, [8001])
    nft(lab, nat(publish(flow), """
        chain check {
            type filter hook input priority 0;
            ct state invalid counter drop comment "invalid"
        }
        """))
    lab.lb.sysctl("net.netfilter.nf_conntrack_tcp_loose", 0)
    lab.balance(flow, ports="8001")
    for where in (lab.client, lab.lb):
        with talk(where, flow) as conversation:
            conversation.bulk(50_000)
            name = conversation.name
        wait_until(lambda n=name: lab.servers.served(n).ended == "closed", "the end is seen")
    lab.lb.sysctl("net.netfilter.nf_conntrack_tcp_loose", 1)
    text = lab.lb.must("nft", "list", "ruleset")
    equal(re.findall(r'counter packets (\d+) [^\n]*comment "invalid"', text), ["0"],
          "packets that connection tracking found invalid")


@each([TCP4, UDP6])
def test_in_a_vrf(lab, flow):
    """A remote client, and one whose socket is in the VRF, whose packets are tracked late."""
    with_vrf(lab)
    vip = VRF_VIP[flow.version]
    inside = [(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"red\0")]
    try:
        lab.servers.listen(flow, [8001, 9999], address=vip, options=inside)
        nft(lab, nat(f"{flow.protocol} dport 8001 redirect to :9999"))
        lab.balance(flow, ports="8001", address=vip)
        for where, options in ((lab.client, []), (lab.lb, inside)):
            with talk(where, flow, address=vip, options=options) as conversation:
                equal(conversation.port, 8001, "the server")
                conversation.bulk(20_000)
    finally:
        nft(lab, "")
        lab.lb.ip("link del port", "link del red")


def transparent(lab, flow, port):
    """A socket that takes connections to any address and port."""
    with lab.lb:
        sock = flow.socket()
    level, option = (socket.SOL_IP, 19) if flow.version == 4 else (socket.IPPROTO_IPV6, 75)
    sock.setsockopt(level, option, 1)  # IP_TRANSPARENT, IPV6_TRANSPARENT
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((flow.any, port))
    sock.listen(5)
    sock.settimeout(seconds(5))
    return sock


@each(TCP)
def test_taken_by_a_transparent_proxy(lab, flow):
    """One that takes the destination's port, and one that takes the service's before it is known
    to be one."""
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    with transparent(lab, flow, 7777) as proxy:
        for priority, port in ((-150, 8001), (-250, 80)):
            nft(lab, f"""table inet proxy {{
                chain in {{
                    type filter hook prerouting priority {priority};
                    {flow.protocol} dport {port} socket transparent 1 accept
                    iif wan {flow.protocol} dport {port} tproxy to :7777
                }}
            }}""")
            with lab.client:
                client = flow.socket()
            client.settimeout(seconds(5))
            client.connect((flow.vip, 80))
            accepted, peer = proxy.accept()
            equal(peer[:2], client.getsockname()[:2], "the client that the proxy sees")
            equal(accepted.getsockname()[:2], (flow.vip, port), "the end that the proxy has")
            accepted.settimeout(seconds(5))
            client.sendall(b"ping")
            equal(accepted.recv(10), b"ping", "what the proxy gets")
            accepted.sendall(b"pong")
            equal(client.recv(10), b"pong", "what the client gets")
            client.close()
            equal(accepted.recv(10), b"", "the end")
            accepted.close()
