# SPDX-License-Identifier: GPL-2.0
"""Services of IPv6 survive the sysctl disable_ipv6 and serve again when it is cleared.

The kernel then takes all addresses of IPv6 away and drops its packets. What is configured stays,
may be changed meanwhile, and serves again when the addresses are back.
"""

import contextlib
import errno
import threading

from lib.clients import served_by, talk
from lib.genl import NAT, STEER, Director, N, destination, service
from lib.ipvs import errno_of
from lib.ktap import Failure, check, each, equal, wait_until
from lib.lab import ADDRESSES6, TCP4, TCP6, UDP4, UDP6
from lib.netns import Namespace

PORTS = range(8001, 8003)
ALL = "net.ipv6.conf.all.disable_ipv6"
# What a client on lb meets, or one elsewhere, to whom nobody answers.
NO_WAY = {errno.EADDRNOTAVAIL, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES}


class Way:
    """A flow of IPv6, and how its service forwards."""

    def __init__(self, flow, steers):
        self.flow = flow
        self.steers = steers

    def __str__(self):
        return f"{self.flow}, {'steer' if self.steers else 'nat'}"

    def balance(self, lab, address=None, port=80):
        """Adds the service with destinations on its address; returns its name."""
        add = lab.steer if self.steers else lab.balance
        return add(self.flow, "8001-8002", port=port, address=address)


WAYS = [Way(TCP6, False), Way(TCP6, True), Way(UDP6, False)]


def enable(lab):
    """IPv6 is there again, with lb's addresses."""
    lab.lb.sysctl(ALL, 0)
    lab.lb.ip(*ADDRESSES6)


@contextlib.contextmanager
def without_ipv6(lab):
    """lb is without IPv6 for a while."""
    lab.lb.sysctl(ALL, 1)
    try:
        yield
    finally:
        enable(lab)


def is_served(lab, flow, **options):
    """Clients of both kinds are."""
    for where in (lab.lb, lab.client):
        equal(sum(served_by(where, flow, 4, **options).values()), 4, "conversations")


def is_not_served(lab, flow):
    """A client is not: it finds no way, or meets silence."""
    for where in (lab.lb, lab.client):
        try:
            talk(where, flow, limit=0.3).close()
        except OSError as error:
            check(isinstance(error, TimeoutError) or error.errno in NO_WAY, f"a client met {error}")
        except Failure:
            pass  # no answer to a datagram
        else:
            raise Failure("a client was served")


@each(WAYS)
def test_configured_before_it_comes(lab, way):
    """A destination on an address that there is not may be refused; on the wildcard one it is
    not."""
    flow, director = way.flow, lab.director()
    own = service(flow, 81)
    target = destination(own, 8001, method=STEER if way.steers else NAT)
    with without_ipv6(lab):
        way.balance(lab, address=flow.any)
        director.must(N["RLVS_CMD_SERVICE_ADD"], own)
        early = director.request(N["RLVS_CMD_DESTINATION_ADD"], target)
        check(errno_of(early) in (0, errno.EADDRNOTAVAIL),
              f"a destination before its address: {early}")
        equal([s["address"] for s in lab.services()], [flow.any, flow.vip], "services")
    lab.servers.listen(flow, PORTS)
    if errno_of(early):
        director.must(N["RLVS_CMD_DESTINATION_ADD"], target)
    for port in (80, 81):
        is_served(lab, flow, port=port)


@each(WAYS)
def test_while_clients_are_served(lab, way):
    """Those of IPv4 notice nothing, and connections live through it."""
    flow = way.flow
    four = TCP4 if flow == TCP6 else UDP4
    for each_of in (flow, four):
        lab.servers.listen(each_of, PORTS)
    own = way.balance(lab)
    lab.balance(four, "8001-8002")
    held = [talk(where, flow) for where in (lab.lb, lab.client)]
    with talk(lab.client, four) as other, without_ipv6(lab):
        is_not_served(lab, flow)
        other.say(b"IPv4 is there")
        equal(served_by(lab.client, four, 2), {8001: 1, 8002: 1}, "clients of IPv4")
        lab.director().must(N["RLVS_CMD_DESTINATION_SET"],
                            destination(service(flow, 80), 8001, weight=0, method=None))
        equal(lab.destinations(own)[8001]["weight"], 0, "the weight that was set meanwhile")
        check(way.steers or len(lab.conns()) >= 2, "entries of connections that live are gone")
    for conversation in held:
        conversation.say(b"still there?")
        conversation.close()
    equal(served_by(lab.client, flow, 4), {8002: 4}, "clients after it")


@each(WAYS)
def test_deleted_meanwhile(lab, way):
    """With their connections, whose ends cannot be told."""
    flow = way.flow
    lab.servers.listen(flow, PORTS)
    way.balance(lab)
    held = [talk(where, flow) for where in (lab.lb, lab.client)]
    with without_ipv6(lab):
        lab.director().flush_now()
        equal(lab.conns(), [], "entries")
        for conversation in held:
            conversation.sock.close()
    way.balance(lab)
    is_served(lab, flow)


@each(WAYS)
def test_on_the_loopback_device_alone(lab, way):
    """Where containers often have none; addresses of other devices are the host's all the same."""
    flow = way.flow
    lab.lb.sysctl("net.ipv6.conf.lo.disable_ipv6", 1)
    try:
        lab.servers.listen(flow, PORTS, address=flow.host)
        way.balance(lab, address=flow.host)
        equal(served_by(lab.client, flow, 4, address=flow.host), {8001: 2, 8002: 2}, "clients")
    finally:
        lab.lb.sysctl("net.ipv6.conf.lo.disable_ipv6", 0)
        lab.lb.ip(*ADDRESSES6[1:])


def test_by_default_in_a_new_namespace():
    """Every device that it gets is without IPv6."""
    own = Namespace()
    own.sysctl(ALL, 1)
    own.ip("link add wan type veth peer name other", "addr add 192.0.2.1/24 dev wan",
           "link set wan up")
    director = Director(own)
    for flow, address in ((TCP6, TCP6.any), (TCP4, TCP4.host), (UDP6, UDP6.any)):
        director.add(flow, 80, "8001-8002", "rr", address)
    equal(len(director.services()), 3, "services")
    director.flush_now()
    own.close()


def test_again_and_again_under_traffic(lab):
    """Packets are on their way when it goes."""
    flows = (TCP6, UDP6)
    for flow in flows:
        lab.servers.listen(flow, PORTS)
    lab.steer(TCP6, "8001-8002", address=TCP6.any)
    lab.balance(TCP6, "8001-8002")
    lab.balance(UDP6, "8001-8002", address=UDP6.any)
    over = threading.Event()

    def clients(where):
        while not over.is_set():
            for flow in flows:
                with contextlib.suppress(OSError, Failure):
                    talk(where, flow, limit=0.05).close()
    threads = [threading.Thread(target=clients, args=(where,)) for where in (lab.lb, lab.client)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(6):
            with without_ipv6(lab):
                lab.services()
            lab.conns()
    finally:
        over.set()
        for thread in threads:
            thread.join()
    for flow in flows:
        wait_until(lambda f=flow: _served(lab, f), f"{flow} is served again")


def _served(lab, flow):
    try:
        is_served(lab, flow)
    except (OSError, Failure):
        return False
    return True
