# SPDX-License-Identifier: GPL-2.0
"""Clients behind a bridge are served with bridge netfilter.

Bridge netfilter shows IP hooks what a bridge carries.

    here (192.0.2.100) --- port1 [ br0 of lb: 192.0.2.1 ] port2 --- there (192.0.2.50)
"""

from lib.clients import served_by, talk
from lib.ktap import Skip, each, equal
from lib.lab import FLOWS, Lab, TCP4, TCP6, UDP4, UDP6, prepare_ipv6
from lib.netns import Namespace
from lib.servers import Servers

THERE = {4: "192.0.2.50", 6: "2001:db8::50"}
ABOVE = {4: "192.0.2.7", 6: "2001:db8::7"}


class BridgeLab(Lab):
    """The lab with the client behind a bridge of lb, and a third host at another port of it."""

    def __init__(self):
        super().__init__()
        done = self.lb.run("modprobe", "br_netfilter")
        if done.returncode != 0:
            raise Skip(f"modprobe br_netfilter: {done.stderr.strip()}")
        self.there = Namespace()
        prepare_ipv6(self.there)
        self.lb.ip(
            "link add br0 type bridge",
            "link set wan master br0",
            "addr flush dev wan",
            f"link add port2 type veth peer name eth netns {self.there.path}",
            "link set port2 master br0",
            "link set port2 up",
            "addr add 192.0.2.1/24 dev br0",
            "addr add 2001:db8::1/64 dev br0 nodad",
            "link set br0 up",
        )
        self.there.ip(
            f"addr add {THERE[4]}/24 dev eth",
            f"addr add {THERE[6]}/64 dev eth nodad",
            "link set eth up",
            "route add 198.51.100.0/24 via 192.0.2.1",
            "route add 2001:db8:1::/64 via 2001:db8::1",
        )
        for kind in ("iptables", "ip6tables"):
            self.lb.sysctl(f"net.bridge.bridge-nf-call-{kind}", 1)
        self.away = Servers(self.there)

    def link_addresses(self):
        """Of the bridge, and of the port that the client is behind: made to differ."""
        addresses = "02:00:00:00:00:01", "02:00:00:00:00:02"
        self.lb.ip(f"link set br0 address {addresses[0]}", f"link set wan address {addresses[1]}")
        return addresses

    def reset(self):
        super().reset()
        self.away.close_all()


make_lab = BridgeLab


@each(FLOWS)
def test_clients_behind_the_bridge(lab, flow):
    """By the bridge's own link address, and by that of the port that they are behind."""
    lab.serve_both(flow)
    for address in lab.link_addresses():
        lab.client.ip(f"neigh replace {flow.host} lladdr {address} dev eth nud permanent")
        for _ in range(2):
            with talk(lab.client, flow) as conversation:
                conversation.bulk(30_000)
    lab.client.ip(f"neigh del {flow.host} dev eth")
    with talk(lab.there, flow) as conversation:
        conversation.bulk(30_000)


@each([TCP4, UDP4])
def test_what_only_passes_the_bridge_is_left_alone(lab, flow):
    """A service of the very address that a host behind the bridge has takes nothing from it."""
    address = THERE[flow.version]
    lab.away.listen(flow, [80], address=address)
    lab.servers.listen(flow, [8001])
    service = flow.service(80, address)
    lab.rlvs(f"service add {service} --scheduler rr")
    lab.rlvs(f"dest add {service} {flow.endpoint(flow.vip, 8001)} --method nat")
    equal(served_by(lab.client, flow, 3, address=address), {80: 3}, "who serves")
    equal(lab.conns(), [], "entries")


@each(["nat", "steer"])
def test_a_service_on_a_device_above_the_bridge(lab, method):
    """A macvlan, whose frames have neither the link address of the bridge nor of its port."""
    done = lab.lb.run("ip", "link", "add", "above", "link", "br0", "address",
                      "02:00:00:00:00:07", "type", "macvlan", "mode", "bridge")
    if done.returncode != 0:
        raise Skip(f"no macvlan: {done.stderr.strip()}")
    lab.lb.ip(f"addr add {ABOVE[4]}/24 dev above", f"addr add {ABOVE[6]}/64 dev above nodad",
              "link set above up")
    for address in ABOVE.values():
        lab.client.ip(f"neigh replace {address} lladdr 02:00:00:00:00:07 dev eth nud permanent")
    try:
        for flow in (TCP4, UDP4, TCP6, UDP6) if method == "nat" else (TCP4, TCP6):
            address = ABOVE[flow.version]
            lab.servers.listen(flow, [8001, 8002], address=address)
            (lab.balance if method == "nat" else lab.steer)(flow, ports="8001-8002",
                                                            address=address)
            equal(served_by(lab.client, flow, 4, address=address), {8001: 2, 8002: 2},
                  f"who serves {flow}")
            with talk(lab.client, flow, address=address) as conversation:
                conversation.bulk(30_000)
    finally:
        for address in ABOVE.values():
            lab.client.ip(f"neigh del {address} dev eth")
        lab.lb.ip("link del above")
