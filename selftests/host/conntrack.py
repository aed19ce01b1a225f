# SPDX-License-Identifier: GPL-2.0
"""Connection tracking sees one whole flow, between the client and the destination."""

import re
import socket

from lib.clients import refusal, talk
from lib.ktap import check, each, equal, seconds, wait_until
from lib.lab import FLOWS, UDP
from lib.nft import counted, replace

PORTS = range(8001, 8005)

RULES = """
table inet watch {
    chain in {
        type filter hook input priority 0; policy accept;
        ct state invalid counter drop comment "invalid"
        ct state new meta l4proto { tcp, udp } counter comment "new"
        ct state established counter comment "established"
        ct state related counter comment "related"
    }
    chain out {
        type filter hook output priority 0; policy accept;
        ct state related counter comment "related"
        ct state invalid counter drop comment "invalid"
    }
}
"""


def watch(lab):
    """Switches connection tracking on and begins to count the states of packets."""
    lab.lb.run("modprobe", "nf_conntrack")
    replace(lab.lb, RULES)


def count(lab, comment):
    """Packets that the rules with this comment have counted."""
    return counted(lab.lb, "watch")[comment]


def tracked(lab, name):
    """The flows of a client (address, port) that connection tracking has, as text."""
    done = lab.lb.must("conntrack", "-L", "-f", "ipv4" if "." in name[0] else "ipv6")
    return [line for line in done.splitlines()
            if re.search(rf"src={name[0]} dst=\S+ sport={name[1]} ", line)]


@each(FLOWS)
def test_it_sees_one_flow_to_the_destination(lab, flow):
    watch(lab)
    lab.servers.listen(flow, PORTS)
    lab.balance(flow)
    for where in (lab.client, lab.lb):
        with talk(where, flow) as conversation:
            conversation.bulk(50_000)
            flows = tracked(lab, conversation.name)
            equal(len(flows), 1, f"flows of the client: {flows}")
            check(f"dport={conversation.port} " in flows[0] and "dport=80 " not in flows[0],
                  f"the flow is not that to port {conversation.port}: {flows[0]}")
            check("UNREPLIED" not in flows[0], f"it has seen one direction only: {flows[0]}")
            if flow.protocol == "tcp":
                check("ESTABLISHED" in flows[0], f"it is not established: {flows[0]}")
    equal(count(lab, "invalid"), 0, "packets that connection tracking found invalid")
    check(count(lab, "new") >= 2, "no packet was new")
    check(count(lab, "established") >= 2, "no packet was established")


@each(FLOWS)
def test_a_stateful_firewall_lets_it_through(lab, flow):
    """Only new connections to the destinations' ports and what belongs to them may pass."""
    watch(lab)
    lab.lb.must("nft", "-f", "-", input=f"""
        table inet stateful {{
            chain in {{
                type filter hook input priority 10; policy drop;
                ct state established,related accept
                meta l4proto ipv6-icmp accept
                {flow.protocol} dport 8001-8004 ct state new accept
            }}
        }}""")
    lab.servers.listen(flow, PORTS)
    lab.balance(flow)
    for where in (lab.client, lab.lb):
        with talk(where, flow) as conversation:
            conversation.bulk(50_000)
            name = conversation.name
        if flow.protocol == "tcp":
            wait_until(lambda n=name: lab.servers.served(n).ended == "closed",
                       "the end of the connection passes as well")
    equal(count(lab, "invalid"), 0, "packets that connection tracking found invalid")


def refused(sock, otherwise):
    """A check that an error comes in, not an answer."""
    try:
        sock.recv(100)
    except ConnectionRefusedError:
        return
    check(False, otherwise)


@each(FLOWS)
def test_refusals_get_through(lab, flow):
    """Of a service that nobody serves: connection tracking has not seen what is refused, and a
    firewall drops what is invalid."""
    watch(lab)
    lab.balance(flow, ports="8001")
    for where in (lab.client, lab.lb):
        equal(refusal(where, flow), "refused", "a connection")
    equal(count(lab, "invalid"), 0, "packets that connection tracking found invalid")


@each(UDP)
def test_errors_belong_to_their_flow(lab, flow):
    """One that the host sends to the client, and one that the client sends to the host."""
    watch(lab)
    with lab.lb:
        server = socket.socket(flow.family, socket.SOCK_DGRAM)
    server.bind((flow.host, 8001))
    server.settimeout(seconds(3))
    lab.lb.must("nft", "-f", "-", input="table inet refuse {\n chain in {\n"
                "  type filter hook input priority 10\n  udp dport 8001 reject\n }\n}\n")
    service = flow.service(80)
    lab.rlvs(f"service add {service} --scheduler rr")
    lab.rlvs(f"dest add {service} {flow.endpoint(flow.host, 8001)} --method nat")
    with lab.client:
        client = socket.socket(flow.family, socket.SOCK_DGRAM)
    client.settimeout(seconds(3))
    client.connect((flow.vip, 80))
    client.send(b"nobody may come in yet")
    refused(client, "a closed port has answered")
    equal(count(lab, "related"), 1, "errors to the client that conntrack takes for related")
    lab.lb.must("nft", "delete", "table", "inet", "refuse")
    client.send(b"now somebody may")
    server.connect(server.recvfrom(100)[1])
    client.close()
    server.send(b"but the client is gone")
    refused(server, "a client that is gone has answered")
    server.close()
    equal(count(lab, "related"), 2, "errors to the server too")
    equal(count(lab, "invalid"), 0, "invalid packets")
