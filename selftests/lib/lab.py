# SPDX-License-Identifier: GPL-2.0
"""The hosts that the tests use.

    client                                lb (the host under test)
    +--------------------------+          +---------------------------------+
    | eth  192.0.2.100/24      |   veth   | wan  192.0.2.1/24               |
    |      192.0.2.101/24      +----------+      2001:db8::1/64             |
    |      2001:db8::100/64    |          |                                 |
    |      2001:db8::101/64    |          | lo   198.51.100.10, .11  (VIPs) |
    |                          |          |      2001:db8:1::10, ::11       |
    | route to the VIPs via lb |          | servers on any of these         |
    +--------------------------+          +---------------------------------+

All addresses are of the ranges that are reserved for documentation.
"""

import functools
import os
import socket

from lib.genl import STEER, Director
from lib.ktap import Failure, check, wait_until
from lib.netns import Namespace
from lib.servers import Servers


class Flow:
    """A transport protocol in an address family, with the addresses a test uses for it."""

    def __init__(self, protocol, version):
        self.protocol = protocol
        self.version = version
        self.number = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP,
                       "sctp": socket.IPPROTO_SCTP}[protocol]
        self.kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
        four = version == 4
        self.family = socket.AF_INET if four else socket.AF_INET6
        self.vip = "198.51.100.10" if four else "2001:db8:1::10"
        self.vip2 = "198.51.100.11" if four else "2001:db8:1::11"
        self.host = "192.0.2.1" if four else "2001:db8::1"
        self.client = "192.0.2.100" if four else "2001:db8::100"
        self.client2 = "192.0.2.101" if four else "2001:db8::101"
        self.loopback = "127.0.0.1" if four else "::1"
        self.any = "0.0.0.0" if four else "::"
        self.network = "ip" if four else "ipv6"  # as tshark calls it

    def __str__(self):
        return f"{self.protocol}{self.version}"

    def socket(self):
        """Makes a socket of this flow, in the namespace that the thread is in."""
        return socket.socket(self.family, self.kind, self.number)

    def endpoint(self, address, port):
        """Returns an address and port as the tool takes them."""
        return f"{address}:{port}" if self.version == 4 else f"[{address}]:{port}"

    def service(self, port, address=None):
        """Returns the name of a virtual service, by default on the first VIP."""
        return f"{self.protocol}://{self.endpoint(address or self.vip, port)}"


def has_ipv6():
    """Returns whether the kernel has IPv6: tests of both families are of IPv4 only where it was
    booted without."""
    with open("/proc/cmdline", encoding="ascii") as file:
        return "ipv6.disable=1" not in file.read().split()


def of_ipv6(*values):
    """Returns these, or none on a kernel without IPv6."""
    return list(values) if has_ipv6() else []


TCP4, TCP6, UDP4, UDP6 = Flow("tcp", 4), Flow("tcp", 6), Flow("udp", 4), Flow("udp", 6)
SCTP4, SCTP6 = Flow("sctp", 4), Flow("sctp", 6)
FLOWS = [TCP4, *of_ipv6(TCP6), UDP4, *of_ipv6(UDP6)]
TCP = [TCP4, *of_ipv6(TCP6)]
UDP = [UDP4, *of_ipv6(UDP6)]
# Not in FLOWS: not every test is about it; needs kernel.need("sctp").
SCTP = [SCTP4, *of_ipv6(SCTP6)]
FAMILIES = TCP  # for tests that need one flow of each address family


def prepare_ipv6(namespace):
    """Switches duplicate address detection and router solicitations off."""
    for which in of_ipv6("all", "default"):
        namespace.sysctl(f"net.ipv6.conf.{which}.accept_dad", 0)
        namespace.sysctl(f"net.ipv6.conf.{which}.router_solicitations", 0)


# Lines for `ip` that give lb its addresses of IPv6.
ADDRESSES6 = ("addr add 2001:db8::1/64 dev wan nodad",
              "addr add 2001:db8:1::10/128 dev lo nodad",
              "addr add 2001:db8:1::11/128 dev lo nodad")


class Lab:
    """The two hosts of the picture, the servers on lb and the rlvs tool there."""

    def __init__(self):
        self.lb = Namespace()
        self.client = Namespace()
        for host in (self.lb, self.client):
            prepare_ipv6(host)
        self.lb.ip(
            *self.plug(),
            "addr add 192.0.2.1/24 dev wan",
            "addr add 198.51.100.10/32 dev lo",
            "addr add 198.51.100.11/32 dev lo",
            *of_ipv6(*ADDRESSES6),
            "link set wan up",
        )
        self.client.ip(
            "addr add 192.0.2.100/24 dev eth",
            "addr add 192.0.2.101/24 dev eth",
            *of_ipv6("addr add 2001:db8::101/64 dev eth nodad",
                     "addr add 2001:db8::100/64 dev eth nodad"),
            "link set eth up",
            "route add 198.51.100.0/24 via 192.0.2.1 src 192.0.2.100",
            *of_ipv6("route add 2001:db8:1::/64 via 2001:db8::1 src 2001:db8::100"),
        )
        for flow in FAMILIES:
            wait_until(lambda f=flow: self._reachable(f), f"client reaches {flow.vip}")

    @functools.cached_property
    def servers(self):
        """The servers on lb. Their thread begins when they are first asked for: benchmarks that
        set up many labs have none of them."""
        return Servers(self.lb)

    def plug(self):
        """Returns lines for `ip` on lb that join the hosts by devices named wan and eth."""
        return [f"link add wan type veth peer name eth netns {self.client.path}"]

    def _reachable(self, flow):
        with self.client, socket.socket(flow.family, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            try:
                probe.connect((flow.vip, 9))
            except ConnectionRefusedError:
                return True
            except OSError:
                return False
            return True

    def reset(self):
        """Makes the lab as good as new for the next subtest."""
        self.director().flush_now()
        self.servers.close_all()

    def director(self):
        """Returns the module on lb by netlink: quick, for all that is not about the tool.

        It is asked for the family anew each time, as the module may have been loaded anew.
        """
        return Director(self.lb)

    # The tool.

    def try_rlvs(self, arguments, **options):
        """Runs `rlvs ARGUMENTS` on lb and returns what came of it."""
        return self.lb.run("rlvs", *arguments.split(), **options)

    def rlvs(self, arguments):
        """Runs `rlvs ARGUMENTS` on lb; it has to succeed. Returns what it printed."""
        done = self.try_rlvs(arguments)
        if done.returncode != 0:
            raise Failure(f"rlvs {arguments}: status {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def refused(self, arguments):
        """Runs `rlvs ARGUMENTS`, which the kernel has to refuse, and returns the error text.

        Whatever is refused must leave everything as it was.
        """
        before = self.services()
        done = self.try_rlvs(arguments)
        text = done.stderr.strip()
        check(done.returncode == 1,
              f"rlvs {arguments}: status {done.returncode}, wanted 1; stderr: {text}")
        check(text, f"rlvs {arguments}: refused without a word")
        check(self.services() == before, f"rlvs {arguments}: refused, but something changed")
        return text

    def services(self):
        """Returns what `rlvs list --json` prints, without the counters, which traffic changes."""
        services = self.director().services()
        for service in services:
            service.pop("stats")
            for destination in service["destinations"]:
                for counter in ("stats", "active_connections", "inactive_connections",
                                "templates", "in_flight", "drained", "listening"):
                    destination.pop(counter, None)
        return services

    def find(self, service):
        """Returns the entry of `rlvs list --json` for one service, by its name."""
        protocol, _, rest = service.partition("://")
        address, _, port = rest.rpartition(":")
        wanted = protocol, address.strip("[]"), int(port)
        found = [s for s in self.director().services()
                 if (s["protocol"], s["address"], s["port"]) == wanted]
        check(len(found) == 1, f"{len(found)} services are listed as {service}")
        return found[0]

    def destinations(self, service):
        """Returns a service's destinations by port."""
        return {d["port"]: d for d in self.find(service)["destinations"]}

    def conns(self):
        """Returns the connection entries, as `rlvs conns --json` prints them."""
        return self.director().connections()

    def counter(self, name):
        """Returns one of the namespace's own counters."""
        return self.director().counter(name)

    def balance(self, flow, ports="8001-8004", port=80, scheduler="rr", address=None):
        """Adds a service with destinations on its own address that packets are rewritten for, the
        method nat; returns the service's name."""
        self.director().add(flow, port, ports, scheduler, address)
        return flow.service(port, address)

    def steer(self, flow, ports="8001-8004", port=80, scheduler="rr", address=None):
        """Adds a service with destinations that connections are steered to; returns its name."""
        self.director().add(flow, port, ports, scheduler, address, method=STEER)
        return flow.service(port, address)

    def add_elsewhere(self, flow, service):
        """Adds a destination on another address of the host, with a server and the method nat."""
        self.servers.listen(flow, [9000], address=flow.host)
        self.rlvs(f"dest add {service} {flow.endpoint(flow.host, 9000)} --method nat")

    def serve_elsewhere(self, flow):
        """Adds a service whose only server is on another address of the host, the method is nat."""
        self.rlvs(f"service add {flow.service(80)} --scheduler rr")
        self.add_elsewhere(flow, flow.service(80))

    def serve_both(self, flow, address=None):
        """Adds a service with a server on its own address and one on another, the method is nat."""
        self.servers.listen(flow, [8001], address=address)
        self.add_elsewhere(flow, self.balance(flow, ports="8001", address=address))

    # Hosts further on, for the tests that need one.

    def add_host(self, address4, address6):
        """Adds a host behind lb, on another link: lb forwards to it."""
        host = Namespace()
        prepare_ipv6(host)
        name = f"lan{host.fd}"
        net4, net6 = address4.rsplit(".", 1)[0], address6.rsplit("::", 1)[0]
        self.lb.ip(
            f"link add {name} type veth peer name eth netns {host.path}",
            f"addr add {net4}.1/24 dev {name}",
            f"addr add {net6}::1/64 dev {name} nodad",
            f"link set {name} up",
        )
        host.ip(
            f"addr add {address4}/24 dev eth",
            f"addr add {address6}/64 dev eth nodad",
            "link set eth up",
            f"route add default via {net4}.1",
            f"route add ::/0 via {net6}::1",
        )
        self.lb.sysctl("net.ipv4.ip_forward", 1)
        self.lb.sysctl("net.ipv6.conf.all.forwarding", 1)
        self.client.ip(
            f"route add {net4}.0/24 via 192.0.2.1",
            f"route add {net6}::/64 via 2001:db8::1",
        )
        return host


class DistantLab(Lab):
    """The lab with a third host behind the client's, which forwards.

    distant (203.0.113.2, 2001:db8:9::2) --- far, client (forwards) --- lb
    """

    address = {4: "203.0.113.2", 6: "2001:db8:9::2"}

    def __init__(self):
        super().__init__()
        self.distant = Namespace()
        prepare_ipv6(self.distant)
        self.client.ip(
            f"link add far type veth peer name eth netns {self.distant.path}",
            "addr add 203.0.113.1/24 dev far",
            "addr add 2001:db8:9::1/64 dev far nodad",
            "link set far up",
        )
        self.distant.ip(
            "addr add 203.0.113.2/24 dev eth",
            "addr add 2001:db8:9::2/64 dev eth nodad",
            "link set eth up",
            "route add default via 203.0.113.1",
            "route add ::/0 via 2001:db8:9::1",
        )
        self.client.sysctl("net.ipv4.ip_forward", 1)
        self.client.sysctl("net.ipv6.conf.all.forwarding", 1)
        self.lb.ip("route add 203.0.113.0/24 via 192.0.2.100",
                   "route add 2001:db8:9::/64 via 2001:db8::100")


def module_path():
    """Returns the path of the module under test."""
    path = os.environ.get("RLVS_KO", "")
    if not os.path.exists(path):
        raise Failure("RLVS_KO does not name the module: set it to the path of rlvs.ko")
    return path
