# SPDX-License-Identifier: GPL-2.0
"""Clients of the same address and port on different links or VRFs have connections of their own.

    client  fe80::c1, 192.0.3.2, 2001:db8:3::2 ---- wan  fe80::1 |
                                                                 | lb
    there   fe80::c1, 192.0.3.2, 2001:db8:3::2 ---- wan2 fe80::1 |

For the tests of VRFs each link is in one of its own, red and blue, which both have 198.51.100.20
and 2001:db8:1::20.
"""

import contextlib
import socket

from lib.clients import is_refused, talk
from lib.ktap import Skip, each, equal, wait_until
from lib.lab import TCP4, TCP6, UDP4, UDP6, Lab, prepare_ipv6
from lib.netns import Namespace
from lib.vrf import VRF_VIP

PORT = 40123
CLIENT, GATEWAY = "fe80::c1", "fe80::1"
IN_VRF = {4: "192.0.3.2", 6: "2001:db8:3::2"}
LINKS, VRFS = ("wan", "wan2"), ("red", "blue")


def on(device):
    """The option of a socket that is bound to a device."""
    return [(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")]


class TwoLinks(Lab):
    """The lab with a second client, on a second link, and the same addresses on both."""

    def __init__(self):
        super().__init__()
        self.there = Namespace()
        prepare_ipv6(self.there)
        self.lb.ip(f"link add wan2 type veth peer name eth netns {self.there.path}",
                   "link set wan2 up",
                   *(f"addr add {GATEWAY}/64 dev {device} nodad" for device in LINKS))
        self.there.ip("link set eth up")
        for client in (self.client, self.there):
            client.ip(f"addr add {CLIENT}/64 dev eth nodad",
                      f"route add {TCP6.vip}/128 via {GATEWAY} dev eth metric 1")

    def with_vrfs(self):
        """Puts each link into a VRF."""
        done = self.lb.run("ip", "link", "add", "red", "type", "vrf", "table", "200")
        if done.returncode != 0:
            raise Skip(f"no VRF: {done.stderr.strip()}")
        self.lb.ip("link add blue type vrf table 201")
        for vrf, link in zip(VRFS, LINKS):
            self.lb.ip(f"link set {vrf} up",
                       f"addr add {VRF_VIP[4]}/32 dev {vrf}",
                       f"addr add {VRF_VIP[6]}/128 dev {vrf} nodad",
                       f"link set {link} master {vrf}",
                       f"addr add 192.0.3.1/24 dev {link}",
                       f"addr add 2001:db8:3::1/64 dev {link} nodad")
        for client in (self.client, self.there):
            client.ip(f"addr add {IN_VRF[4]}/24 dev eth",
                      f"addr add {IN_VRF[6]}/64 dev eth nodad",
                      f"route add {VRF_VIP[4]}/32 via 192.0.3.1 dev eth",
                      f"route add {VRF_VIP[6]}/128 via 2001:db8:3::1 dev eth")
        for vrf in VRFS:
            wait_until(lambda v=vrf: "tentative" not in self.lb.must("ip", "-6", "addr", "show",
                                                                    "vrf", v),
                       f"the addresses in {vrf} are usable")

    def both(self, flow, **options):
        """A conversation of each client, from the same port."""
        with contextlib.ExitStack() as stack:
            held = [stack.enter_context(talk(client, flow, source_port=PORT, options=on("eth"),
                                             **options))
                    for client in (self.client, self.there)]
            stack.pop_all()
            return held

    def index(self, device):
        """A device's number on lb."""
        with self.lb:
            return socket.if_nametoindex(device)

    def states(self, devices):
        """The states of the entries of clients behind each of these devices."""
        found = {c["client_device"]: c["state"].lower() for c in self.conns()}
        return [found.get(self.index(device)) for device in devices]


make_lab = TwoLinks


def check_both(lab, flow, held, devices):
    """Each has an entry of its own, and the end of the first leaves the second as it is."""
    first, second = held
    begun = "established" if flow.protocol == "tcp" else "udp"
    equal(lab.states(devices), [begun, begun], "the states of the entries")
    for conversation in (first, second, first):
        conversation.bulk(20_000)
    first.close(reset=flow.protocol == "tcp")
    if flow.protocol == "tcp":
        wait_until(lambda: lab.states(devices)[0] == "close", "the first one has ended")
        equal(lab.states(devices)[1], begun, "the state of the second one then")
    second.bulk(20_000)
    second.close()


@each([TCP6, UDP6])
def test_link_local_clients(lab, flow):
    lab.servers.listen(flow, [8001, 8002])
    lab.balance(flow, ports="8001-8002")
    held = lab.both(flow, source=CLIENT)
    equal([c.port for c in held], [8001, 8002], "the servers")
    check_both(lab, flow, held, LINKS)


@each([TCP6, UDP6])
def test_local_clients_with_link_local_addresses(lab, flow):
    """The host itself, which has the same address on both links, from either."""
    lab.servers.listen(flow, [8001, 8002], address=flow.any)
    lab.balance(flow, ports="8001-8002", address=flow.any)
    held = [talk(lab.lb, flow, address=GATEWAY, source=GATEWAY, source_port=PORT, options=on(link))
            for link in LINKS]
    equal([c.port for c in held], [8001, 8002], "the servers")
    check_both(lab, flow, held, LINKS)


def active(lab, service):
    """The active connections of each destination, by port."""
    return {port: d["active_connections"] for port, d in lab.destinations(service).items()}


def test_link_local_clients_that_are_steered(lab):
    lab.servers.listen(TCP6, [8001, 8002])
    service = lab.steer(TCP6, ports="8001-8002")
    first, second = lab.both(TCP6, source=CLIENT)
    equal((first.port, second.port), (8001, 8002), "the servers")
    equal(active(lab, service), {8001: 1, 8002: 1}, "active connections")
    first.close(reset=True)
    wait_until(lambda: active(lab, service) == {8001: 0, 8002: 1}, "the first one has ended")
    second.bulk(20_000)
    second.close()


@each(["nat", "steer"])
def test_the_connection_of_one_link_is_cut(lab, method):
    """That of the other goes on."""
    lab.servers.listen(TCP6, [8001, 8002])
    service = (lab.balance if method == "nat" else lab.steer)(TCP6, ports="8001-8002")
    held = lab.both(TCP6, source=CLIENT)
    equal([c.port for c in held], [8001, 8002], "the servers")
    lab.rlvs(f"dest del {service} :8002 --now")
    equal(held[1].ends(), "reset", "the end of the second one")
    held[0].bulk(20_000)
    held[0].close()


def test_the_list_shows_the_link(lab):
    lab.servers.listen(TCP6, [8001])
    lab.balance(TCP6, ports="8001")
    with talk(lab.there, TCP6, source=CLIENT, source_port=PORT, options=on("eth")):
        line = lab.rlvs("conns").splitlines()[1].split()
        equal(line[1], f"[{CLIENT}%{lab.index('wan2')}]:{PORT}", "the client in the list")
    with talk(lab.client, TCP6):
        found = [c for c in lab.conns() if c["client_address"] == TCP6.client]
        equal(["client_device" in c for c in found], [False], "a device of a usual client")


def test_errors_about_packets_of_link_local_clients(lab):
    """What the host sends to a client, and what a client sends to the host."""
    lab.servers.listen(UDP6, [8001])
    lab.balance(UDP6, ports="8001")
    lab.lb.unlimit_icmp()
    lab.there.unlimit_icmp()
    server = lab.servers.bound[("udp", UDP6.vip, 8001)]
    with talk(lab.there, UDP6, source=CLIENT, source_port=PORT, options=on("eth")) as talking:
        talking.say(b"once")
    before = lab.counter("icmp_error")
    server.sendto(b"late", (CLIENT, PORT, 0, lab.index("wan2")))
    wait_until(lambda: lab.counter("icmp_error") == before + 1, "the client's error was rewritten")
    with talk(lab.there, UDP6, source=CLIENT, source_port=PORT, options=on("eth")) as talking:
        lab.servers.stop(UDP6, 8001)
        equal(is_refused(talking.sock), True, "the client's socket gets the host's error")


# Last: the links stay in the VRFs.

@each([TCP4, UDP4, TCP6, UDP6])
def test_clients_in_vrfs(lab, flow):
    """Only one server listens in each VRF."""
    if "red" not in lab.lb.read("/proc/thread-self/net/dev"):
        lab.with_vrfs()
    vip = VRF_VIP[flow.version]
    for port, vrf in zip((8001, 8002), VRFS):
        lab.servers.listen(flow, [port], address=vip, options=on(vrf))
    lab.balance(flow, ports="8001-8002", address=vip)
    held = lab.both(flow, address=vip, source=IN_VRF[flow.version])
    equal([c.port for c in held], [8001, 8002], "the servers")
    check_both(lab, flow, held, VRFS)


@each([TCP4, TCP6])
def test_clients_in_vrfs_that_are_steered(lab, flow):
    vip = VRF_VIP[flow.version]
    for port, vrf in zip((8001, 8002), VRFS):
        lab.servers.listen(flow, [port], address=vip, options=on(vrf))
    service = lab.steer(flow, ports="8001-8002", address=vip)
    first, second = lab.both(flow, address=vip, source=IN_VRF[flow.version])
    equal((first.port, second.port), (8001, 8002), "the servers")
    equal(active(lab, service), {8001: 1, 8002: 1}, "active connections")
    first.close(reset=True)
    wait_until(lambda: active(lab, service) == {8001: 0, 8002: 1}, "the first one has ended")
    lab.rlvs(f"dest del {service} :8002 --now")
    equal(second.ends(), "reset", "the end of the second one")
    second.close()
