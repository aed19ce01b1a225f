# SPDX-License-Identifier: GPL-2.0
"""A new connection goes where a process listens and has room for it, and nowhere else."""

import socket
import time

from lib.clients import refusal, served_by
from lib.ktap import check, each, equal, fewer, in_time, wait_until
from lib.lab import FLOWS, TCP, TCP4, TCP6, UDP4

SO_BINDTODEVICE = 25
SCHEDULERS = ("rr", "wrr", "lc", "wlc", "sed", "nq", "fo", "ovf", "sh", "dh", "mh", "lblc",
              "lblcr", "twos", "p2c", "jsq")


def avoided(lab, service):
    """Connections that would have been refused or dropped, by the service's own count."""
    return lab.find(service)["stats"]["avoided"]


def connections_by_port(lab, service):
    """The connections that each destination was given."""
    return {port: d["stats"]["connections"] for port, d in lab.destinations(service).items()}


def idle(lab, service):
    """Whether the servers have accepted and ended all that port 8002 was given."""
    served = lab.servers.connections
    return (len(served) == connections_by_port(lab, service)[8002]
            and all(connection.ended for connection in served))


def listener(lab, flow, port, backlog):
    """A process that has stopped: its socket listens, and nobody accepts."""
    with lab.lb:
        sock = flow.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((flow.vip, port))
    sock.listen(backlog)
    return sock


def knock(where, flow):
    """Opens a connection and says nothing; how long that took, and the socket."""
    with where:
        sock = flow.socket()
    sock.settimeout(5)
    begun = time.monotonic()
    sock.connect((flow.vip, 80))
    return time.monotonic() - begun, sock


@each(FLOWS)
def test_only_who_listens_is_chosen(lab, flow):
    """From its first moment, and no longer than to its last."""
    lab.servers.listen(flow, [8002, 8004])
    service = lab.balance(flow)
    for where in (lab.client, lab.lb):
        equal(served_by(where, flow, 8), {8002: 4, 8004: 4}, "conversations by port")
    check(avoided(lab, service) > 0, "nothing was counted as avoided")
    lab.servers.listen(flow, [8001])
    check(8001 in served_by(lab.client, flow, 4), "a new process gets nothing")
    for port in (8002, 8001):
        lab.servers.stop(flow, port)
        for where in (lab.client, lab.lb):
            check(port not in served_by(where, flow, 4), f"{port} was served after its end")
    equal(served_by(lab.client, flow, 4), {8004: 4}, "conversations with the last one")
    equal(lab.counter("rejected"), 0, "connections that were refused")


@each(FLOWS)
def test_nobody_listens(lab, flow):
    service = lab.balance(flow)
    for where in (lab.client, lab.lb):
        begun = time.monotonic()
        equal(refusal(where, flow), "refused", "a connection")
        in_time(time.monotonic() - begun < 0.9, "it was not refused at once")
    equal(lab.conns(), [], "connection entries")
    equal(avoided(lab, service), 0, "avoided")
    check(lab.counter("no_destination") > 0, "no_destination was not counted")


@each([TCP4, UDP4, TCP6])
def test_with_every_scheduler(lab, flow):
    lab.servers.listen(flow, [8006])
    for scheduler in SCHEDULERS:
        service = lab.balance(flow, ports="8001-8008", scheduler=scheduler)
        equal(served_by(lab.client, flow, 4), {8006: 4}, f"conversations with {scheduler}")
        lab.rlvs(f"service del {service} --now")


@each(TCP)
def test_one_of_many(lab, flow):
    """More than a scheduler is asked for."""
    lab.servers.listen(flow, [8031])
    for scheduler in ("rr", "wlc", "mh"):
        service = lab.balance(flow, ports="8001-8040", scheduler=scheduler)
        equal(served_by(lab.client, flow, 4), {8031: 4}, f"conversations with {scheduler}")
        lab.rlvs(f"service del {service}")


@each(FLOWS)
def test_however_it_is_bound(lab, flow):
    """To the wildcard address, and in a group that shares the port."""
    # A UDP process there answers from an address that the route chooses.
    lab.servers.listen(flow, [8001], address=flow.any if flow.protocol == "tcp" else None)
    for _ in range(2):
        lab.servers.listen(flow, [8002], reuse_port=True)
    lab.balance(flow)
    for where in (lab.client, lab.lb):
        equal(served_by(where, flow, 4), {8001: 2, 8002: 2}, "conversations by port")


def test_a_socket_of_both_families(lab):
    with lab.lb:
        sock = TCP6.socket()
    with sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", 8001))
        sock.listen(8)
        for flow in TCP:
            service = lab.balance(flow, ports="8001")
            for where in (lab.client, lab.lb):
                _, client = knock(where, flow)
                client.close()
            equal(lab.destinations(service)[8001]["listening"], True, "listening")


@each(FLOWS)
def test_bound_to_a_device(lab, flow):
    """For those who come in by it."""
    lab.servers.listen(flow, [8001], options=[(socket.SOL_SOCKET, SO_BINDTODEVICE, b"wan\0")])
    lab.servers.listen(flow, [8002], options=[(socket.SOL_SOCKET, SO_BINDTODEVICE, b"lo\0")])
    service = lab.balance(flow)
    equal(served_by(lab.client, flow, 4), {8001: 4}, "conversations of a remote client")
    equal(served_by(lab.lb, flow, 4), {8002: 4}, "conversations of a local client")
    equal({port: d["listening"] for port, d in lab.destinations(service).items()},
          {8001: True, 8002: True, 8003: False, 8004: False}, "listening")


@each(TCP)
def test_a_full_queue_is_passed_over(lab, flow):
    """No SYN is dropped, which would cost its client a second, while another queue has room."""
    with listener(lab, flow, 8001, 2):
        lab.servers.listen(flow, [8002])
        service = lab.balance(flow, ports="8001-8002")
        held = []
        for where in (lab.client, lab.lb):
            for _ in range(8):
                took, client = knock(where, flow)
                held.append(client)
                in_time(took < 0.9, f"a connection took {took:.2f} s")
        # The kernel takes one more than the limit.
        equal(connections_by_port(lab, service), {8001: 3, 8002: 13}, "connections by port")
        check(avoided(lab, service) >= 5, "they were not counted")
        for client in held:
            client.close()


@each(TCP)
def test_all_queues_full(lab, flow):
    """Then the client's SYN waits for room, as without a balancer; it is not refused."""
    with listener(lab, flow, 8001, 1) as first, listener(lab, flow, 8002, 1):
        lab.balance(flow, ports="8001-8002")
        held = [knock(lab.client, flow)[1] for _ in range(4)]
        with lab.client:
            late = flow.socket()
        with late:
            late.settimeout(0.5)
            try:
                late.connect((flow.vip, 80))
                raise AssertionError("there was room in a queue")
            except TimeoutError:
                pass
        for _ in range(2):
            first.accept()[0].close()
        took, client = knock(lab.client, flow)
        in_time(took < 4, f"with room again a connection took {took:.1f} s")
        for sock in held + [client]:
            sock.close()


@each(TCP)
def test_jsq_leaves_one_that_has_stopped(lab, flow):
    """As soon as its queue shows it."""
    with listener(lab, flow, 8001, 128):
        lab.servers.listen(flow, [8002])
        service = lab.balance(flow, ports="8001-8002", scheduler="jsq")
        for _ in range(12):
            _, client = knock(lab.client, flow)
            client.close()
            # The other one accepts before the next, and is idle again.
            wait_until(lambda: idle(lab, service), "it was accepted")
        at_stopped = connections_by_port(lab, service)[8001]
        check(at_stopped <= 1, f"{at_stopped} connections of 12 went to who does not accept")


@each(FLOWS)
def test_the_list_tells(lab, flow):
    lab.servers.listen(flow, [8002])
    service = lab.balance(flow, ports="8001-8002")
    equal({port: d["listening"] for port, d in lab.destinations(service).items()},
          {8001: False, 8002: True}, "listening")
    lines = lab.rlvs(f"list {service}").splitlines()
    equal([("not listening" in line, "listening" in line) for line in lines if ":800" in line],
          [(True, True), (False, True)], "what the list says")


@each([TCP4, UDP4, TCP6])
def test_a_persistent_client_goes_elsewhere_meanwhile(lab, flow):
    lab.servers.listen(flow, range(8001, 8005))
    service = lab.balance(flow)
    lab.rlvs(f"service edit {service} --persistent 100")
    (home,) = served_by(lab.client, flow, 3)
    lab.servers.stop(flow, home)
    check(home not in served_by(lab.client, flow, 3), f"{home} was served after its end")
    lab.servers.listen(flow, [home])
    equal(served_by(lab.client, flow, 3), {home: 3}, "conversations when it is back")


@each(TCP)
def test_slow_start(lab, flow):
    """A process that has just started gets less than its share, and then all of it."""
    lab.servers.listen(flow, [8001])
    service = lab.balance(flow, ports="8001-8002")
    lab.rlvs(f"service edit {service} --slow-start 1000")
    check("slow-start=1000s" in lab.rlvs(f"list {service}"), "the list does not show it")
    equal(served_by(lab.client, flow, 4), {8001: 4}, "one that is alone gets all")
    time.sleep(8)  # what it is older than the other one
    lab.servers.listen(flow, [8002])
    # It has at most a few of 8 to 16 shares. One turn held back is enough to be below a half.
    count = fewer(60, 24)
    early = served_by(lab.client, flow, count).get(8002, 0)
    check(early < count / 2, f"the new process got {early} of {count} connections")
    lab.rlvs(f"service edit {service} --slow-start 0")
    equal(served_by(lab.client, flow, 4), {8001: 2, 8002: 2}, "without slow start")
    check("out of range" in lab.refused(f"service edit {service} --slow-start 65536"), "the text")


@each(TCP)
def test_all_start_slowly(lab, flow):
    """Processes that began together share from the first moment."""
    service = lab.balance(flow, ports="8001-8002")
    lab.rlvs(f"service edit {service} --slow-start 1000")
    equal(refusal(lab.client, flow), "refused", "nobody listens")
    lab.servers.listen(flow, [8001, 8002])
    # Of seconds apart, the younger one has at least half a share.
    served = served_by(lab.client, flow, fewer(60, 24))
    check(min(served.get(8001, 0), served.get(8002, 0)) >= 2, f"they got {served}")
