# SPDX-License-Identifier: GPL-2.0
"""The time to find a socket does not grow with the number of network devices.

Sockets of connections and listeners are found on any of them.
"""

import math
import socket
import time

from lib.clients import talk
from lib.flood import Flood
from lib.genl import N, attr, nest, service
from lib.kernel import need
from lib.ktap import check, each, equal, fewer, in_time, wait_until
from lib.lab import FLOWS, TCP, TCP6, Lab
from lib.vrf import VRF_VIP, with_vrf

DEVICES = fewer(500, 100)
# Look-ups in one request, how often it is made, and how often more.
LOOKUPS, TIMES, MORE_TIMES = 512, 3, 12
SO_BINDTODEVICE = (socket.SOL_SOCKET, 25)


def add_devices(lab):
    """Devices of lb that nothing goes through."""
    need("dummy")
    lab.lb.ip(*(f"link add name d{number} group 9 type dummy" for number in range(DEVICES)))


def compare(alone, among):
    """The least that each of two measures has taken, in seconds. They are made in turn, as whatever
    else the machine does should lengthen both, and more often while the second takes longer."""
    least = [math.inf, math.inf]
    for number in range(1, TIMES + MORE_TIMES + 1):
        least = [min(known, measure()) for known, measure in zip(least, (alone, among))]
        if number >= TIMES and not is_slower(*least):
            break
    return least


def is_slower(alone, among):
    """Whether the devices make a difference."""
    return among > 2 * alone


def cutting(lab, flow):
    """Ends connections whose process has no socket any more: each is looked for."""
    flood = Flood(lab, flow, 80)
    director = lab.director()

    def cut():
        lab.servers.listen(flow, [8001])
        lab.balance(flow, ports="8001")
        flood.renew(LOOKUPS)
        flood.send(LOOKUPS)
        wait_until(lambda: lab.counter("entries") > LOOKUPS * 0.9, "entries are there")
        lab.servers.stop(flow, 8001)
        begun = time.thread_time()
        director.must(N["RLVS_CMD_FLUSH"], attr(N["RLVS_A_SERVICE_CUT"]))
        return time.thread_time() - begun

    return cut


def listing(lab, flow):
    """Lists destinations where nothing listens."""
    lab.balance(flow, port=81, ports=f"8001-{8000 + LOOKUPS}")
    director = lab.director()
    wanted = nest(N["RLVS_A_DESTINATION_SERVICE"], service(flow, 81))

    def listed():
        begun = time.thread_time()
        found = director.must(N["RLVS_CMD_DESTINATION_GET"], wanted, dump=True)
        took = time.thread_time() - begun
        equal(len(found), LOOKUPS, "destinations")
        return took

    return listed


def test_many_devices_cost_nothing(lab):
    """Sockets are looked for as quickly as by a host without them."""
    without, slower = Lab(), []
    for one in (without, lab):
        one.lb.sysctl("net.ipv4.tcp_max_syn_backlog", 4 * LOOKUPS)
    add_devices(lab)
    try:
        for what, make, flows in (("ending connections", cutting, TCP),
                                  ("listing destinations", listing, FLOWS)):
            for flow in flows:
                alone, among = compare(make(without, flow), make(lab, flow))
                print(f"    # {what} of {flow}: {alone * 1e3:.1f} ms, with {DEVICES} devices "
                      f"{among * 1e3:.1f} ms", flush=True)
                if is_slower(alone, among):
                    slower.append(f"{what} of {flow}")
    finally:
        lab.lb.must("ip", "link", "del", "group", "9")
        without.reset()
    in_time(not slower, f"with many devices these take longer: {', '.join(slower)}")


def ended_by_cut(lab, name, conversation):
    """The process's socket goes with the destination."""
    lab.rlvs(f"service del {name} --now")
    equal(conversation.ends(), "reset", "what the client sees")


@each(TCP)
def test_a_connection_on_a_device_is_found(lab, flow):
    """Its listener is bound to the device, and so is what it accepts."""
    for make in (lab.balance, lab.steer):
        lab.servers.listen(flow, [8001], options=[(*SO_BINDTODEVICE, b"wan\0")])
        name = make(flow, ports="8001")
        equal(lab.destinations(name)[8001]["listening"], True, "listening")
        with talk(lab.client, flow) as conversation:
            ended_by_cut(lab, name, conversation)
        lab.servers.close_all()


@each(TCP)
def test_a_connection_in_a_vrf_is_found(lab, flow):
    """Of a listener that is bound to the VRF or to one of its ports."""
    with_vrf(lab)
    vip = VRF_VIP[flow.version]
    try:
        for make in (lab.balance, lab.steer):
            for device in (b"red\0", b"port\0"):
                lab.servers.listen(flow, [8001], address=vip, options=[(*SO_BINDTODEVICE, device)])
                name = make(flow, ports="8001", address=vip)
                equal(lab.destinations(name)[8001]["listening"], True, f"listening on {device}")
                with talk(lab.client, flow, address=vip) as conversation:
                    ended_by_cut(lab, name, conversation)
                lab.servers.close_all()
    finally:
        lab.lb.ip("link del port", "link del red")


@each(FLOWS)
def test_what_is_bound_to_a_device_that_is_down_listens(lab, flow):
    """On its own address, or on the wildcard one."""
    lab.lb.ip("link add name idle type veth peer name busy")
    try:
        option = (*SO_BINDTODEVICE, b"idle\0")
        lab.servers.listen(flow, [8001], options=[option])
        lab.servers.listen(flow, [8002], address=flow.any, options=[option])
        name = lab.balance(flow, ports="8001-8003")
        equal({port: d["listening"] for port, d in lab.destinations(name).items()},
              {8001: True, 8002: True, 8003: False}, "listening")
    finally:
        lab.servers.close_all()
        lab.lb.ip("link del idle")


def test_a_connection_of_ipv4_in_a_socket_of_ipv6_is_found(lab):
    """One listener of both families, bound to a device."""
    for flow in TCP:
        with lab.lb:
            sock = TCP6.socket()
        with sock:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            sock.setsockopt(*SO_BINDTODEVICE, b"wan\0")
            sock.bind(("::", 8001))
            sock.listen(8)
            name = lab.balance(flow, ports="8001")
            equal(lab.destinations(name)[8001]["listening"], True, "listening")
            with lab.client:
                client = flow.socket()
            with client:
                client.connect((flow.vip, 80))
                accepted = sock.accept()[0]
                lab.rlvs(f"service del {name} --now")
                accepted.settimeout(5)
                try:
                    accepted.recv(1)
                    check(False, "the process still has its connection")
                except ConnectionAbortedError:
                    pass
                accepted.close()
