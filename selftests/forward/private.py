# SPDX-License-Identifier: GPL-2.0
"""With --private, only services lead to a destination from outside of the host."""

import contextlib
import socket
import time

from lib import kernel
from lib.clients import refusal, served_by, talk
from lib.ktap import check, each, equal, in_time, wait_until
from lib.lab import SCTP, TCP, TCP4, TCP6, UDP, UDP4, UDP6, Lab, has_ipv6, of_ipv6
from lib.packets import Raw, Sniffer, segment


class Case:
    """A flow, and the method by which its service's destinations are added."""

    def __init__(self, flow, method):
        self.flow, self.method = flow, method
        steers = flow.protocol == "tcp" and method != "nat"
        self.listed = "steer" if steers else "nat"

    def __str__(self):
        return f"{self.flow} {self.method}"


# Each method with each flow, and a choice of them for what does not depend on both.
EVERY = ([Case(flow, method) for flow in TCP for method in ("auto", "steer", "nat")]
         + [Case(flow, method) for flow in UDP for method in ("auto", "nat")])
TCP_CASES = [Case(TCP4, "auto"), *of_ipv6(Case(TCP6, "nat"))]
CASES = [Case(TCP4, "nat"), *of_ipv6(Case(TCP6, "steer")),
         Case(UDP4, "auto"), *of_ipv6(Case(UDP6, "nat"))]


def make_lab():
    """The lab, where an error is sent for every datagram."""
    lab = Lab()
    lab.lb.unlimit_icmp()
    return lab


def add(lab, case, *destinations, port=80, address=None):
    """A service with destinations, each a range of ports with options."""
    service = case.flow.service(port, address)
    lab.rlvs(f"service add {service} --scheduler rr")
    for ports in destinations:
        lab.rlvs(f"dest add {service} :{ports} --method {case.method}")
    return service


def private(lab, case, options="--private"):
    """A service with two destinations, of which the first is private."""
    lab.servers.listen(case.flow, [8001, 8002])
    return add(lab, case, "8002", f"8001 {options}")


@each(EVERY)
def test_only_the_service_leads_there(lab, case):
    """Refused at once and counted; the host itself and other destinations are as ever."""
    flow, service = case.flow, private(lab, case)
    for source in (flow.client, flow.client2):
        before = lab.counter("private")
        begun = time.monotonic()
        equal(refusal(lab.client, flow, 8001, source=source), "refused", "straight from outside")
        in_time(time.monotonic() - begun < 0.9, "the refusal took long")
        check(lab.counter("private") > before, "the refusal is not counted")
    equal(served_by(lab.lb, flow, 1, 8001), {8001: 1}, "straight from the host itself")
    equal(served_by(lab.client, flow, 1, 8002), {8002: 1}, "the destination that is not private")
    equal(served_by(lab.client, flow, 4), {8001: 2, 8002: 2}, "through the service")
    equal([d["private"] for d in lab.find(service)["destinations"]], [False, True], "the listing")
    check(f"{case.listed},private" in lab.rlvs("list"), "the table does not show it")


@each(EVERY)
def test_it_is_set_and_taken_back(lab, case):
    """By an edit, without a disturbance of anything else; a deleted destination is not private."""
    flow, service = case.flow, private(lab, case, options="--weight 3")
    with talk(lab.client, flow) as conversation:
        for options, wanted in (("--private", "refused"), ("--weight 4", "refused"),
                                ("--public", "served"), ("--private --weight 1", "refused")):
            lab.rlvs(f"dest edit {service} :8001 {options}")
            equal(refusal(lab.client, flow, 8001), wanted, f"straight after {options}")
        lab.rlvs(f"dest edit {service} :8001 --private --weight 0")
        equal(refusal(lab.client, flow, 8001), "refused", "straight when it is quiesced")
        lab.rlvs(f"dest del {service} :8001")
        equal(refusal(lab.client, flow, 8001), "served", "straight after the deletion")
        conversation.say(b"still there")
        lab.rlvs(f"dest add {service} :8001-8001 --private --method {case.method}")
        equal(refusal(lab.client, flow, 8001), "refused", "straight after it is added again")
        conversation.say(b"still there")
    lab.rlvs(f"service del {service}")
    equal(refusal(lab.client, flow, 8001), "served", "straight without the service")


@each(TCP)
def test_it_outlasts_changes_of_the_method(lab, flow):
    """And of the service's other destinations; also when the module has put its sets of ports in
    order, which it does once a second."""
    case = Case(flow, "auto")
    service = private(lab, case)
    for line in (f"dest edit {service} :8001-8002 --method nat",
                 f"dest edit {service} :8001-8002 --method steer", f"dest del {service} :8002",
                 f"dest edit {service} :8001 --method auto"):
        lab.rlvs(line)
        equal(refusal(lab.client, flow, 8001), "refused", f"straight after {line}")
        check(8001 in served_by(lab.client, flow, 2), f"not through the service after {line}")
    time.sleep(2.5)
    equal(refusal(lab.client, flow, 8001), "refused", "straight some time later")


@each(TCP_CASES)
def test_connections_that_exist_go_on(lab, case):
    """Straight ones that are older than the option, with all that they still send."""
    flow = case.flow
    lab.servers.listen(flow, [8001])
    with talk(lab.client, flow, 8001) as straight:
        service = private_only(lab, case)
        straight.bulk(100_000)
        equal(refusal(lab.client, flow, 8001), "refused", "a new one")
        straight.say(b"still there")
        equal(lab.destinations(service)[8001]["private"], True, "private")


def private_only(lab, case):
    """A service with a private destination, whose server is there already."""
    return add(lab, case, "8001 --private")


@each(TCP_CASES)
def test_a_handshake_under_way_goes_on(lab, case):
    """A SYN that is sent again by a client whose handshake is older than the option."""
    flow = case.flow
    lab.servers.listen(flow, [8001])
    service = add(lab, case, "8001")
    raw, sniffer = Raw(lab.client, "eth", lab.lb, "wan"), Sniffer(lab.client, "eth")
    stranger = "192.0.2.200" if flow.version == 4 else "2001:db8::200"
    lab.lb.ip(f"neigh replace {stranger} lladdr {raw.source_mac} dev wan nud permanent")
    syn = segment(stranger, flow.vip, 5555, 8001, flags="S", seq=1000)

    def answer():
        offset = 20 if flow.version == 4 else 40
        packet = sniffer.first(lambda p: p[offset:offset + 4] == b"\x1f\x41\x15\xb3")
        check(packet, "nothing answers the SYN")
        return packet[offset + 13]

    raw.send(syn)
    equal(answer(), 0x12, "the flags of the answer to a SYN")
    lab.rlvs(f"dest edit {service} :8001 --private")
    before = lab.counter("private")
    raw.send(syn)
    equal(answer(), 0x12, "the flags of the answer when it comes again")
    raw.send(segment(stranger, flow.vip, 5556, 8001, flags="S", seq=1000))
    wait_until(lambda: lab.counter("private") == before + 1, "another SYN alone is refused")


@each(UDP)
def test_a_socket_that_is_connected_hears_its_peer(lab, flow):
    """The process's own question to somebody outside, from the destination's port."""
    with lab.lb:
        server = flow.socket()
    server.bind((flow.vip, 8001))
    private_only(lab, Case(flow, "auto"))
    before = lab.counter("private")
    with lab.client:
        other = flow.socket()
    other.bind((flow.client, 5353))
    server.connect((flow.client, 5353))
    server.send(b"question")
    data, peer = other.recvfrom(100)
    equal((data, peer[:2]), (b"question", (flow.vip, 8001)), "what the other one got")
    other.sendto(b"answer", peer)
    server.settimeout(5)
    equal(server.recv(100), b"answer", "the answer")
    equal(lab.counter("private"), before, "the counter of refusals")
    for sock in (server, other):
        sock.close()


@each(CASES)
def test_a_service_on_the_wildcard_address(lab, case):
    """Its destinations are on every address of the host, and private on every one."""
    flow = case.flow
    addresses = (flow.vip, flow.vip2, flow.host)
    for address in addresses:
        lab.servers.listen(flow, [8001], address=address)
    add(lab, case, "8001 --private", address=flow.any)
    for address in addresses:
        equal(refusal(lab.client, flow, 8001, address=address), "refused",
              f"straight to {address}")
        equal(served_by(lab.client, flow, 1, address=address), {8001: 1}, f"service of {address}")
        equal(served_by(lab.lb, flow, 1, 8001, address=address), {8001: 1}, f"host to {address}")


@each(CASES)
def test_the_same_port_of_another_address_is_not_meant(lab, case):
    flow, _ = case.flow, private(lab, case)
    lab.servers.listen(flow, [8001], address=flow.vip2)
    equal(refusal(lab.client, flow, 8001, address=flow.vip2), "served", "another address")
    equal(refusal(lab.client, flow, 8001), "refused", "the destination's address")


def serves(lab, flow):
    """The service leads to port 8001, from where UDP answers come from another address."""
    if flow.protocol == "tcp":
        equal(served_by(lab.client, flow, 2), {8001: 2}, "through the service")
        return
    before = lab.servers.datagrams[8001]
    with lab.client, flow.socket() as client:
        client.connect((flow.vip, 80))
        client.send(b"question")
    wait_until(lambda: lab.servers.datagrams[8001] > before, "the datagram has come")


@each(CASES)
def test_a_process_on_the_wildcard_address_has_no_back_door(lab, case):
    """It listens on every address of the host, and is reached by none of them from outside. Nor is
    one of a group of processes."""
    flow = case.flow
    for group in (1, 2):
        for _ in range(group):
            lab.servers.listen(flow, [8001], address=flow.any, reuse_port=group > 1)
        private_only(lab, case)
        for address in (flow.vip, flow.vip2, flow.host):
            equal(refusal(lab.client, flow, 8001, address=address), "refused",
                  f"straight to {address}")
            equal(served_by(lab.lb, flow, 1, 8001, address=address), {8001: 1},
                  f"from the host to {address}")
        serves(lab, flow)
        if group > 1:  # one that has an address of its own is another process
            lab.servers.listen(flow, [8001], address=flow.vip2, reuse_port=True)
            equal(refusal(lab.client, flow, 8001, address=flow.vip2), "served", "another process")
        lab.reset()


OTHER = {4: TCP6, 6: TCP4}, {4: UDP6, 6: UDP4}


def other_family(flow):
    """The same protocol in the other address family."""
    return OTHER[flow.protocol == "udp"][flow.version]


@contextlib.contextmanager
def both_families(lab, flow, service):
    """With a process that serves both families on the port of the service's destination, which a
    local client reaches by either; gives the other flow."""
    other = other_family(flow)
    lab.servers.listen(UDP6 if flow.protocol == "udp" else TCP6, [8001], address="::")
    yield other
    for each_flow in (flow, other):
        equal(refusal(lab.client, each_flow, 8001, address=each_flow.host), "refused",
              f"straight over {each_flow}")
        equal(served_by(lab.lb, each_flow, 1, 8001, address=each_flow.host), {8001: 1},
              f"a local client over {each_flow}")
    serves(lab, flow)
    lab.rlvs(f"dest edit {service} :8001 --public")
    for each_flow in (flow, other):
        equal(served_by(lab.client, each_flow, 1, 8001, address=each_flow.host), {8001: 1},
              f"straight over {each_flow} when it is public")


@each(CASES if has_ipv6() else [])
def test_a_process_of_both_families_is_private_in_both(lab, case):
    """The destination of one family: the socket gets packets of the other one as well."""
    service = add(lab, case, "8001 --private")
    with both_families(lab, case.flow, service):
        pass


@each(TCP_CASES + [Case(UDP4, "auto")] if has_ipv6() else [])
def test_a_service_on_the_wildcard_address_of_one_family(lab, case):
    service = add(lab, case, "8001 --private", address=case.flow.any)
    with both_families(lab, case.flow, service):
        pass


@each([TCP4, TCP6, UDP4, UDP6] if has_ipv6() else [])
def test_a_process_of_one_family_leaves_the_other_alone(lab, flow):
    """One of each family on the port: they are two, and one is a private destination."""
    other = other_family(flow)
    for each_flow in (flow, other):
        lab.servers.listen(each_flow, [8001], address=each_flow.any,
                           v6only=each_flow.version == 6)
    private_only(lab, Case(flow, "auto"))
    equal(refusal(lab.client, flow, 8001, address=flow.host), "refused", "the destination")
    equal(refusal(lab.client, other, 8001, address=other.host), "served", "the other process")


@each(CASES)
def test_another_service_may_be_on_its_end(lab, case):
    """What goes there is for that service, and no straight connection."""
    flow, _ = case.flow, private(lab, case)
    lab.servers.listen(flow, [8003])
    other = add(lab, case, "8003", port=8001)
    equal(served_by(lab.client, flow, 2, 8001), {8003: 2}, "through the other service")
    lab.rlvs(f"service del {other}")
    equal(refusal(lab.client, flow, 8001), "refused", "without the other service")


@each(CASES)
def test_of_two_services(lab, case):
    """The destination of one is private if that of either on the same end is; the other one's
    method is nat."""
    flow, _ = case.flow, private(lab, case)
    lab.balance(flow, ports="8001", port=81)
    equal(refusal(lab.client, flow, 8001), "refused", "straight")
    for port in (80, 81):
        check(8001 in served_by(lab.client, flow, 2, port), f"service on port {port}")


@each(SCTP)
def test_sctp_is_aborted(lab, flow):
    kernel.need("sctp")
    private(lab, Case(flow, "nat"))
    begun, before = time.monotonic(), lab.counter("private")
    equal(refusal(lab.client, flow, 8001, source=flow.client), "refused", "straight")
    in_time(time.monotonic() - begun < 0.9, "the refusal took long")
    check(lab.counter("private") > before, "the refusal is not counted")
    equal(served_by(lab.client, flow, 2, source=flow.client), {8001: 1, 8002: 1},
          "through the service")


@each(TCP_CASES)
def test_a_listener_on_another_device_is_none_of_it(lab, case):
    """What is refused is refused whether anybody listens or not."""
    flow, _ = case.flow, private_only(lab, case)
    with lab.lb:
        sock = flow.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    sock.bind((flow.vip, 8001))
    sock.listen()
    before = lab.counter("private")
    equal(refusal(lab.client, flow, 8001), "refused", "straight")
    check(lab.counter("private") > before, "the refusal is not counted")
    sock.close()
