# SPDX-License-Identifier: GPL-2.0
"""Beside policy routing and VRFs."""

from lib.capture import Capture, packets
from lib.clients import refusal, talk
from lib.ktap import Skip, check, each, equal, wait_until
from lib.lab import FLOWS, TCP4, UDP4

SO_BINDTODEVICE = 25


@each(FLOWS)
def test_answers_take_the_services_route(lab, flow):
    """A rule about the service's address decides, though the process has another one."""
    lab.serve_elsewhere(flow)
    family = "-4" if flow.version == 4 else "-6"
    net, gateway = (("192.0.2.200/31", "192.0.2.201") if flow.version == 4 else
                    ("2001:db8:77::/127", "2001:db8:77::1"))
    lab.lb.ip(f"link add wan2 type veth peer name eth2 netns {lab.client.path}",
              f"addr add {net} dev wan2" + ("" if flow.version == 4 else " nodad"),
              "link set wan2 up")
    lab.client.ip(f"addr add {gateway}/{net.partition('/')[2]} dev eth2"
                  + ("" if flow.version == 4 else " nodad"), "link set eth2 up")
    # The client takes packets that come in by another link than its route's.
    for device in ("all", "eth2"):
        lab.client.sysctl(f"net.ipv4.conf.{device}.rp_filter", 0)
    lab.lb.must("ip", family, "route", "add", "default", "via", gateway, "dev", "wan2",
                "table", "100")
    lab.lb.must("ip", family, "rule", "add", "from", flow.vip, "lookup", "100")
    try:
        with Capture(lab.client, "eth2", flow.protocol) as capture:
            with talk(lab.client, flow) as conversation:
                conversation.bulk(20_000)
        sources = {packet.source for packet in packets(capture.path)}
        equal(sources, {flow.vip}, "who sends by the rule's link")
    finally:
        lab.lb.must("ip", family, "rule", "del", "from", flow.vip, "lookup", "100")
        lab.lb.ip("link del wan2")


def with_vrf(lab):
    """Puts lb's link and VIPs into a VRF."""
    done = lab.lb.run("ip", "link", "add", "red", "type", "vrf", "table", "200")
    if done.returncode != 0:
        raise Skip(f"no VRF: {done.stderr.strip()}")
    lab.lb.ip(
        "link set red up",
        "addr add 198.51.100.20/32 dev red",
        "addr add 2001:db8:1::20/128 dev red nodad",
        f"link add port type veth peer name member netns {lab.client.path}",
        "link set port master red",
        "addr add 192.0.3.1/24 dev port",
        "addr add 2001:db8:3::1/64 dev port nodad",
        "link set port up",
    )
    lab.client.ip(
        "addr add 192.0.3.2/24 dev member",
        "addr add 2001:db8:3::2/64 dev member nodad",
        "link set member up",
        "route add 198.51.100.20/32 via 192.0.3.1 src 192.0.3.2",
        "route add 2001:db8:1::20/128 via 2001:db8:3::1 src 2001:db8:3::2",
    )
    # Addresses become usable a moment after they were added.
    wait_until(lambda: "tentative" not in lab.lb.must("ip", "-6", "addr", "show", "dev", "red"),
               "the VRF's address is usable")


VRF_VIP = {4: "198.51.100.20", 6: "2001:db8:1::20"}


@each([TCP4, UDP4, FLOWS[1], FLOWS[3]])
def test_clients_in_a_vrf(lab, flow):
    """Remote ones, and one on the host whose socket is in the VRF."""
    with_vrf(lab)
    vip = VRF_VIP[flow.version]
    inside = [(1, SO_BINDTODEVICE, b"red\0")]
    try:
        lab.servers.listen(flow, [8001], address=vip, options=inside)
        lab.balance(flow, ports="8001", address=vip)
        # The filter sees the destination's port, each of the two times that it sees a packet.
        rule = (f"table inet watch {{ chain out {{ type filter hook output priority 0; "
                f"{flow.protocol} sport 80 drop; }}; }}")
        equal(lab.lb.run("nft", "-f", "-", input=rule).stderr, "", "nft")
        with talk(lab.client, flow, address=vip) as conversation:
            equal(conversation.local, vip, "the address that the server was reached on")
            conversation.bulk(20_000)
        lab.lb.must("nft", "flush", "ruleset")
        with talk(lab.lb, flow, address=vip, options=inside) as conversation:
            conversation.bulk(20_000)
        equal(lab.counter("conflict"), 0, "conflicts")
        lab.servers.stop(flow, 8001, address=vip)
        if flow.protocol == "tcp":
            check(refusal(lab.client, flow, address=vip) == "refused", "nobody listens")
    finally:
        lab.lb.must("nft", "flush", "ruleset")
        lab.lb.ip("link del port", "link del red")
