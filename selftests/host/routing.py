# SPDX-License-Identifier: GPL-2.0
"""Services work with policy routing and in VRFs."""

from lib.capture import Capture, packets
from lib.clients import refusal, talk
from lib.ktap import each, equal, wait_until
from lib.lab import FLOWS, TCP, TCP4, UDP4
from lib.vrf import VRF_VIP, with_vrf

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
        # Nobody listens any more, and the refusal finds its way inside the VRF.
        equal(refusal(lab.client, flow, address=vip), "refused", "a remote client")
        equal(refusal(lab.lb, flow, address=vip, options=inside), "refused", "a local client")
    finally:
        lab.lb.must("nft", "flush", "ruleset")
        lab.lb.ip("link del port", "link del red")


@each([TCP4, UDP4, FLOWS[1], FLOWS[3]])
def test_a_service_of_any_address_in_a_vrf(lab, flow):
    """With entries, by steering, and with one-packet scheduling, whose answers have no entry."""
    with_vrf(lab)
    vip = VRF_VIP[flow.version]
    inside = [(1, SO_BINDTODEVICE, b"red\0")]
    try:
        lab.servers.listen(flow, [8001], address=vip, options=inside)
        service = flow.service(80, flow.any)
        lab.rlvs(f"service add {service}")
        lab.rlvs(f"dest add {service} :8001 --method nat")
        change = (f"service edit {service} --flags ops" if flow.protocol == "udp" else
                  f"dest edit {service} :8001 --method steer")
        for _ in range(2):
            for where, options in ((lab.client, []), (lab.lb, inside)):
                with talk(where, flow, address=vip, options=options) as conversation:
                    conversation.bulk(20_000)
                    equal(conversation.port, 8001, "who serves")
            lab.rlvs(change)
    finally:
        lab.lb.ip("link del port", "link del red")


@each(TCP)
def test_steering_in_a_vrf(lab, flow):
    """To a listening socket that is bound to the VRF, and to nobody when it is not."""
    with_vrf(lab)
    vip = VRF_VIP[flow.version]
    inside = [(1, SO_BINDTODEVICE, b"red\0")]
    try:
        lab.servers.listen(flow, [8001, 8002], address=vip, options=inside)
        lab.servers.listen(flow, [8003], address=flow.any)
        service = lab.steer(flow, ports="8001-8003", address=vip, scheduler="wlc")
        for where, options in ((lab.client, []), (lab.lb, inside)):
            held = [talk(where, flow, address=vip, options=options) for _ in range(2)]
            equal({c.port for c in held}, {8001, 8002}, "who serves")
            for conversation in held:
                equal(conversation.local, vip, "the address that the server was reached on")
                conversation.bulk(20_000)
            wait_until(lambda: lab.counter("steered") > 0, "counted")
            for conversation in held:
                conversation.close()
        wait_until(lambda: all(d["active_connections"] == 0
                               for d in lab.destinations(service).values()), "all have ended")
        for port in (8001, 8002):
            lab.servers.stop(flow, port, address=vip)
        equal(refusal(lab.client, flow, address=vip), "refused", "what a client meets then")
    finally:
        lab.lb.ip("link del port", "link del red")
