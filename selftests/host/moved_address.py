# SPDX-License-Identifier: GPL-2.0
"""A service leaves packets alone whose address is not the host's, or not any more.

The floating address is lb's or that of a host behind it, to which lb forwards.
"""

import contextlib
import socket

from lib import genl
from lib.clients import refusal, served_by, talk
from lib.genl import N
from lib.ktap import check, each, equal, seconds
from lib.lab import FLOWS, SCTP4, TCP, TCP4, UDP6, Lab
from lib.packets import Raw, datagram, icmp_error, segment
from lib.servers import Servers

FLOATING = {4: "198.51.100.30", 6: "2001:db8:1::30"}
OTHER = {4: "198.51.100.31", 6: "2001:db8:1::31"}
SOURCE_PORT = 40001


def make_lab():
    """The lab with a host behind lb that has the floating address whenever lb has not."""
    lab = Lab()
    lab.lb.unlimit_icmp()
    # Otherwise lb drops what is for the new holder while a socket of its own has the same ends.
    lab.lb.sysctl("net.ipv4.tcp_early_demux", 0)
    lab.far = lab.add_host("203.0.113.2", "2001:db8:2::2")
    lab.far_servers = Servers(lab.far)
    lab.far.ip(f"addr add {FLOATING[4]}/32 dev lo", f"addr add {FLOATING[6]}/128 dev lo nodad")
    lab.lb.ip(f"route add {FLOATING[4]}/32 via 203.0.113.2",
              f"route add {FLOATING[6]}/128 via 2001:db8:2::2")
    return lab


def prefix(flow):
    """How `ip addr` takes one address of lb."""
    return "/32 dev lo" if flow.version == 4 else "/128 dev lo nodad"


@contextlib.contextmanager
def floating(lab, flow):
    """The address on lb first; yields a function that moves it away, or back."""
    address, is_here = FLOATING[flow.version], False

    def move(here):
        nonlocal is_here
        if here != is_here:
            lab.lb.ip(f"addr {'add' if here else 'del'} {address}{prefix(flow)}")
            is_here = here

    move(True)
    try:
        yield move
    finally:
        move(False)
        lab.far_servers.close_all()
        lab.reset()


def add(lab, flow, address, flags=None, private=None, to=None):
    """A service and one destination, on the same address unless told otherwise."""
    director, of = lab.director(), genl.service(flow, 80, address)
    director.must(N["RLVS_CMD_SERVICE_ADD"], genl.service(flow, 80, address, flags=flags))
    director.must(N["RLVS_CMD_DESTINATION_ADD"],
                  genl.destination(of, 8001, address=to, private=private))


def own_source(flow, where, lab):
    """A client on lb must not take the floating address for its own."""
    return flow.client if where is lab.client else flow.host


def each_client(lab, flow, count, port, wanted, what):
    """Who serves a remote client, whose packets lb forwards, and lb's own."""
    for where in (lab.client, lab.lb):
        who = served_by(where, flow, count, port, address=FLOATING[flow.version],
                        source=own_source(flow, where, lab))
        equal(who, wanted, f"{what}, {'transit' if where is lab.client else 'own'} client")


@each(FLOWS)
def test_a_service_of_the_address(lab, flow):
    """Clients get through to the new holder, and back to the workers when it is back."""
    address = FLOATING[flow.version]
    with floating(lab, flow) as move:
        lab.servers.listen(flow, [8001, 8002], address=address)
        lab.far_servers.listen(flow, [80], address=address)
        service = lab.balance(flow, ports="8001-8002", address=address)
        balanced = {8001: 1, 8002: 1}
        each_client(lab, flow, 2, 80, balanced, "while it is here")
        move(False)
        each_client(lab, flow, 2, 80, {80: 2}, "moved away")
        equal(lab.find(service)["here"], False, "here, as the list says")
        move(True)
        each_client(lab, flow, 2, 80, balanced, "back again")
        equal(lab.find(service)["here"], True, "here, as the list says")


@each(FLOWS)
def test_connections_that_exist_go_on(lab, flow):
    """To a worker whose own address stays; new ones go to the new holder."""
    address = FLOATING[flow.version]
    with floating(lab, flow) as move:
        lab.servers.listen(flow, [8001], address=flow.host)
        lab.far_servers.listen(flow, [80], address=address)
        add(lab, flow, address, to=flow.host)
        held = [talk(where, flow, address=address, source=own_source(flow, where, lab))
                for where in (lab.client, lab.lb)]
        move(False)
        for conversation in held:
            equal(conversation.port, 8001, "who served before")
            conversation.bulk(20_000)
            conversation.close()
        each_client(lab, flow, 1, 80, {80: 1}, "new ones")


@each(TCP)
def test_a_service_that_steers(lab, flow):
    address = FLOATING[flow.version]
    with floating(lab, flow) as move:
        lab.servers.listen(flow, [8001], address=address)
        lab.far_servers.listen(flow, [80], address=address)
        lab.steer(flow, ports="8001", address=address)
        each_client(lab, flow, 1, 80, {8001: 1}, "while it is here")
        move(False)
        each_client(lab, flow, 1, 80, {80: 1}, "moved away")


@each(FLOWS)
def test_a_service_of_any_address(lab, flow):
    """With private destinations: nothing that lb forwards is refused, to whichever host."""
    address = FLOATING[flow.version]
    with floating(lab, flow) as move:
        lab.servers.listen(flow, [8001], address=address)
        lab.far_servers.listen(flow, [80, 8001], address=address)
        add(lab, flow, flow.any, private=1)
        each_client(lab, flow, 1, 80, {8001: 1}, "while it is here")
        move(False)
        each_client(lab, flow, 1, 80, {80: 1}, "the service's port")
        each_client(lab, flow, 1, 8001, {8001: 1}, "the destination's port")
        equal(lab.counter("private"), 0, "refusals")


@each(FLOWS)
def test_a_private_destination(lab, flow):
    """Refused while the address is here, and forwarded when it is not."""
    address = FLOATING[flow.version]
    with floating(lab, flow) as move:
        lab.servers.listen(flow, [8001], address=address)
        lab.far_servers.listen(flow, [8001], address=address)
        add(lab, flow, address, private=1)
        equal(refusal(lab.client, flow, 8001, address=address), "refused", "straight")
        move(False)
        before = lab.counter("private")
        each_client(lab, flow, 1, 8001, {8001: 1}, "moved away")
        equal(lab.counter("private"), before, "refusals")


@each(FLOWS)
def test_what_was_a_conflict(lab, flow):
    """A client has a balanced connection, and goes to the same port at the new holder."""
    address = FLOATING[flow.version]
    with floating(lab, flow) as move:
        lab.servers.listen(flow, [8001], address=address)
        lab.far_servers.listen(flow, [8001], address=address)
        lab.balance(flow, ports="8001", address=address)
        for where in (lab.client, lab.lb):
            source = {"source": own_source(flow, where, lab), "source_port": SOURCE_PORT,
                      "address": address}
            move(True)
            balanced = talk(where, flow, 80, **source)
            move(False)
            before = lab.counter("conflict")
            equal(served_by(where, flow, 1, 8001, **source), {8001: 1}, "straight")
            equal(lab.counter("conflict"), before, "conflicts")
            balanced.close(reset=flow.protocol == "tcp")


@each(FLOWS)
def test_one_packet_and_mid_stream(lab, flow):
    """Packets that open a connection by a flag or a setting."""
    address = FLOATING[flow.version]
    with floating(lab, flow) as move:
        lab.far_servers.listen(flow, [80], address=address)
        flag = "OPS" if flow.protocol == "udp" else "SLOPPY"
        add(lab, flow, address, flags=N["RLVS_SERVICE_FLAG_" + flag])
        move(False)
        with talk(lab.client, flow, address=address) as conversation:
            lab.servers.listen(flow, [8001], address=flow.any)
            conversation.bulk(20_000)
        equal(lab.conns(), [], "entries")


@each([TCP4, UDP6])
def test_an_error_that_is_forwarded(lab, flow):
    """schedule_icmp: one that goes to the new holder, about its answer, opens no entry."""
    address, router = FLOATING[flow.version], "192.0.2.77" if flow.version == 4 else "2001:db8::77"
    answer = (address, flow.client, 80, SOURCE_PORT)
    packet = (segment(*answer, flags="A", seq=1, ack=1) if flow.protocol == "tcp" else
              datagram(*answer, b"an answer"))
    line, kind = Raw(lab.client, "eth", lab.lb, "wan"), (3, 1) if flow.version == 4 else (1, 3)
    with lab.lb:
        mark = socket.socket(flow.family, socket.SOCK_DGRAM)
    mark.settimeout(seconds(5))
    mark.bind((flow.vip, 7777))
    lab.lb.sysctl("net.ipv4.vs.schedule_icmp", 1)
    try:
        with floating(lab, flow) as move, mark:
            lab.servers.listen(flow, [8001], address=address)
            lab.balance(flow, ports="8001", address=address)
            for here in (False, True):
                move(here)
                line.send_in_order(icmp_error(router, address, *kind, packet, 0),
                                   datagram(flow.client, flow.vip, 7777, 7777))
                mark.recv(1)
                equal(len(lab.conns()), int(here), f"entries, here={here}")
    finally:
        lab.lb.sysctl("net.ipv4.vs.schedule_icmp", 0)


@each(FLOWS)
def test_a_destination_elsewhere_is_not_ready(lab, flow):
    """It gets nothing though a process listens on any address, and is listed so."""
    other = OTHER[flow.version]
    lab.servers.listen(flow, [8001])
    lab.servers.listen(flow, [8002], address=flow.any)
    service = lab.balance(flow, ports="8001")
    done = lab.try_rlvs(f"dest add {service} {flow.endpoint(other, 8002)} --method nat")
    equal(done.returncode, 0, "the status")
    check("not one of this host" in done.stderr, f"no note on stderr: {done.stderr!r}")
    for where in (lab.client, lab.lb):
        equal(served_by(where, flow, 4), {8001: 4}, "who serves")
    found = lab.destinations(service)
    equal([(found[port]["here"], found[port]["listening"]) for port in (8001, 8002)],
          [(True, True), (False, False)], "here and listening")
    check("address not here" in lab.rlvs(f"list {service}"), "the table does not show it")
    lab.servers.stop(flow, 8001)
    equal(refusal(lab.client, flow), "refused", "with that destination alone")
    lab.servers.stop(flow, 8002, address=flow.any)
    lab.lb.ip(f"addr add {other}{prefix(flow)}")
    try:
        lab.servers.listen(flow, [8002], address=other)
        for where in (lab.client, lab.lb):
            equal(served_by(where, flow, 2), {8002: 2}, "once the address is here")
        equal(lab.destinations(service)[8002]["here"], True, "here")
    finally:
        lab.lb.ip(f"addr del {other}{prefix(flow)}")
    lab.servers.listen(flow, [8001])
    equal(served_by(lab.client, flow, 4), {8001: 4}, "once it is gone again")


@each(TCP)
def test_steering_to_an_address_elsewhere(lab, flow):
    """As with nat: what was meant for another host does not go to a process of this one."""
    other = OTHER[flow.version]
    lab.servers.listen(flow, [8002], address=flow.any)
    service = flow.service(80)
    lab.rlvs(f"service add {service}")
    lab.rlvs(f"dest add {service} {flow.endpoint(other, 8002)} --method auto")
    equal(lab.destinations(service)[8002]["method"], "steer", "the method")
    for where in (lab.client, lab.lb):
        equal(refusal(where, flow), "refused", "a client")
    lab.lb.ip(f"addr add {other}{prefix(flow)}")
    try:
        for where in (lab.client, lab.lb):
            equal(served_by(where, flow, 1), {8002: 1}, "once the address is here")
    finally:
        lab.lb.ip(f"addr del {other}{prefix(flow)}")


@each([TCP4, SCTP4])
def test_the_note_about_a_service(lab, flow):
    """On stderr when it is added, and in the list; none of an address that is here."""
    for address, note in ((OTHER[flow.version], True), (flow.vip, False), (flow.any, False)):
        service = flow.service(80, address)
        done = lab.try_rlvs(f"service add {service}")
        equal((done.returncode, "not one of this host" in done.stderr), (0, note), service)
        equal(lab.find(service).get("here"), None if address == flow.any else not note, "here")
        equal("(address not here)" in lab.rlvs(f"list {service}"), note, "the table")
