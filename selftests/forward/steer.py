# SPDX-License-Identifier: GPL-2.0
"""Steering hands a client's SYN to a destination's listening socket.

The host makes the connection with the service's own address and port.
"""

import json
import socket
import struct

from lib import kernel
from lib.capture import Capture, fields, judge_checksums
from lib.clients import refusal, served_by, talk
from lib.genl import AUTO
from lib.ktap import check, each, equal, fewer, seconds, wait_until
from lib.lab import SCTP4, TCP, TCP4, TCP6, UDP4
from lib.packets import Raw, Sniffer, segment

PORTS = range(8001, 8005)
SOURCE_PORT = 40404


def active(lab, service):
    """The connections that each destination has at this moment, where they are counted."""
    return {port: d.get("active_connections") for port, d in lab.destinations(service).items()}


def there(lab, service):
    """The same with those that are not active any more."""
    return {port: d["active_connections"] + d["inactive_connections"]
            for port, d in lab.destinations(service).items()}


def stats(lab, service):
    """The statistics of the service."""
    return lab.find(service)["stats"]


@each(TCP)
def test_connections_go_to_all_destinations(lab, flow):
    """Of remote and local clients; the process has the service's end, and nothing has an entry."""
    lab.servers.listen(flow, PORTS)
    service = lab.steer(flow)
    before = lab.counter("steered")
    for where in (lab.client, lab.lb):
        equal(served_by(where, flow, 8), dict.fromkeys(PORTS, 2), "conversations by port")
        with talk(where, flow) as conversation:
            conversation.bulk(200_000)
            served = lab.servers.served(conversation.name)
            equal(served.name, (flow.vip, 80), "getsockname() of the process")
            equal(served.sock.getsockname()[:2], (flow.vip, 80), "and now")
            equal(conversation.sock.getpeername()[:2], (flow.vip, 80), "getpeername()")
            equal(lab.conns(), [], "connection entries")
    equal(lab.counter("steered") - before, 18, "the counter steered")
    equal(stats(lab, service), {"connections": 18, "avoided": 0}, "the service's statistics")


def test_every_packet_on_the_wire_is_the_services(lab):
    """Ports and checksums, as tcpdump and tshark see them."""
    for host, device in ((lab.lb, "wan"), (lab.client, "eth")):
        host.must("ethtool", "-K", device, "tx", "off")
    for flow in TCP:
        lab.servers.listen(flow, PORTS)
        lab.steer(flow)
    with Capture(lab.client, "eth", "tcp") as capture:
        for flow in TCP:
            for _ in range(2):
                with talk(lab.client, flow) as conversation:
                    conversation.bulk(50_000)
    for host, device in ((lab.lb, "wan"), (lab.client, "eth")):
        host.must("ethtool", "-K", device, "tx", "on")
    sides = {tuple(sorted(map(int, ends)))[0] for ends in fields(
        capture.path, "tcp.srcport", "tcp.dstport", only="tcp")}
    equal(sides, {80}, "the lower port of each packet")
    verdicts = judge_checksums(capture.path)
    equal({verdict[3] for verdict in verdicts}, {"good"}, f"checksums: {verdicts}")
    check(sum(verdicts.values()) > 40, f"only {verdicts}")


@each(TCP)
def test_listeners_on_loopback(lab, flow):
    """The method auto steers where nat could not go, and says so."""
    lab.servers.listen(flow, PORTS, address=flow.loopback)
    service = flow.service(80)
    lab.rlvs(f"service add {service} --scheduler rr")
    at = flow.endpoint(flow.loopback, "8001-8002")
    lab.rlvs(f"dest add {service} {at} --method auto")
    lab.rlvs(f"dest add {service} {at.replace('8001-8002', '8003-8004')} --method steer")
    methods = {(d["method"], d["requested_method"]) for d in lab.destinations(service).values()}
    equal(methods, {("steer", "steer")}, "methods in use and asked for")
    for where in (lab.client, lab.lb):
        equal(served_by(where, flow, 8), dict.fromkeys(PORTS, 2), "conversations by port")


@each(TCP)
def test_all_sorts_of_listening_sockets(lab, flow):
    """On the wildcard address, of both families, bound to a device, several on one port."""
    def listen(family, address, port, *options):
        with lab.lb:
            sock = socket.socket(family, socket.SOCK_STREAM)
        for option in options:
            sock.setsockopt(*option)
        sock.bind((address, port))
        sock.listen(16)
        sock.settimeout(seconds(5))
        return sock

    def meets(where, *listeners):
        """Which of the listeners a client's connection comes to."""
        with where:
            client = flow.socket()
        client.settimeout(seconds(5))
        with client:
            client.connect((flow.vip, 80))
            found = []
            for index, listener in enumerate(listeners):
                listener.setblocking(False)
                try:
                    accepted = listener.accept()[0]
                except BlockingIOError:
                    continue
                equal(accepted.getsockname()[:2][1], 80, "the port of the accepted one")
                accepted.close()
                found.append(index)
        equal(len(found), 1, "listeners that got it")
        return found[0]

    device = (socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"wan")
    group = (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    lab.steer(flow, ports="8001")
    with listen(flow.family, flow.any, 8001) as wildcard:
        equal(meets(lab.client, wildcard), 0, "the socket on the wildcard address")
    both = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    with listen(socket.AF_INET6, "::", 8001, both) as dual:
        equal(meets(lab.client, dual), 0, "the socket of both families")
        equal(meets(lab.lb, dual), 0, "the same for a local client")
    with listen(flow.family, flow.any, 8001, device) as bound:
        equal(meets(lab.client, bound), 0, "the socket that is bound to the device")
        equal(refusal(lab.lb, flow), "refused", "a client by another device")
    members = [listen(flow.family, flow.any, 8001, group) for _ in range(3)]
    met = {meets(lab.client, *members) for _ in range(fewer(60, 40))}
    equal(met, {0, 1, 2}, "members of a group that were met")
    members.pop().close()
    met = {meets(lab.client, *members) for _ in range(fewer(30, 20))}
    equal(met, {0, 1}, "members that are left")
    for member in members:
        member.close()


@each(TCP)
def test_a_service_on_the_wildcard_address(lab, flow):
    for address in (flow.vip, flow.host):
        lab.servers.listen(flow, [8001, 8002], address=address)
    lab.steer(flow, ports="8001-8002", address=flow.any)
    for where in (lab.client, lab.lb):
        for address in (flow.vip, flow.host):
            equal(served_by(where, flow, 4, address=address), {8001: 2, 8002: 2}, address)
            with talk(where, flow, address=address) as conversation:
                equal(conversation.local, address, "the process's own address")
                equal(served_by(where, flow, 1, address=address), {8002: 1}, "the next one")


# Who is chosen.


@each(TCP)
def test_only_who_listens_is_chosen(lab, flow):
    lab.servers.listen(flow, PORTS)
    service = lab.steer(flow)
    lab.servers.stop(flow, 8002)
    equal(served_by(lab.client, flow, 9), {8001: 3, 8003: 3, 8004: 3}, "without one of them")
    equal(stats(lab, service), {"connections": 9, "avoided": 3}, "the service's statistics")
    lab.servers.listen(flow, [8002])
    got = served_by(lab.client, flow, 8)
    check(got.get(8002, 0) >= 1, f"one that listens again is not chosen: {got}")
    for port in PORTS:
        lab.servers.stop(flow, port)
    for where in (lab.client, lab.lb):
        before = lab.counter("no_destination"), stats(lab, service)
        equal(refusal(where, flow), "refused", "what a client meets when nobody listens")
        equal((lab.counter("no_destination"), stats(lab, service)), (before[0] + 1, before[1]),
              "the counter no_destination, and the connections")


def test_the_only_one_of_many_that_listens_is_found(lab):
    """Though the scheduler's first choices are others: by turns, by hash and by load."""
    lab.servers.listen(TCP4, [8040])
    for number, scheduler in enumerate(("rr", "sh", "mh", "wlc", "p2c", "fo")):
        lab.steer(TCP4, ports="8001-8064", port=100 + number, scheduler=scheduler)
        equal(served_by(lab.client, TCP4, 4, port=100 + number), {8040: 4}, scheduler)
    lab.rlvs(f"dest edit {TCP4.service(100)} :8040 --weight 0")
    equal(refusal(lab.client, TCP4, 100), "refused", "a client whose only server is quiesced")


@each(TCP)
def test_a_full_accept_queue_is_passed_over(lab, flow):
    """Its process does not accept; when all are full it is the one with the shortest queue."""
    with lab.lb:
        stuck = [flow.socket() for _ in range(2)]
    for port, sock, room in ((8001, stuck[0], 2), (8002, stuck[1], 6)):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((flow.vip, port))
        sock.listen(room)
    lab.servers.listen(flow, [8003])
    lab.steer(flow, ports="8001-8003")
    held = []

    def connect():
        with lab.client:
            client = flow.socket()
        client.settimeout(seconds(2))
        client.connect((flow.vip, 80))
        held.append(client)

    for _ in range(30):
        connect()
    waiting = [queued(lab, port) for port in (8001, 8002)]
    # The limit is what may wait besides one.
    check(waiting[0] <= 3 and waiting[1] <= 7, f"connections that wait: {waiting}")
    check(min(waiting) >= 2, f"connections that wait: {waiting}")
    equal(served_by(lab.client, flow, 6), {8003: 6}, "conversations with the one that has room")
    for sock in held + stuck:
        sock.close()


def queued(lab, port):
    """Connections that wait to be accepted, as ss(8) says."""
    text = lab.lb.must("ss", "-Hltn", f"sport = :{port}")
    return int(text.split()[1])


# What is counted.


def test_a_handshake_counts_once(lab):
    """Repeated SYNs of one do not, whoever looks for its socket, and one with a wrong checksum not
    at all."""
    lab.servers.listen(TCP4, PORTS)
    raw, sniffer = Raw(lab.client, "eth", lab.lb, "wan"), Sniffer(lab.client, "eth")
    for scheduler, port, early in (("rr", 80, 1), ("wlc", 81, 0)):
        lab.lb.sysctl("net.ipv4.tcp_early_demux", early)
        service = lab.steer(TCP4, port=port, scheduler=scheduler)
        # An address that nobody has: nobody resets what is answered.
        ends = "192.0.2.77", TCP4.vip, SOURCE_PORT, port
        lab.lb.ip("neigh replace 192.0.2.77 lladdr 02:00:00:00:00:77 dev wan")
        raw.send(segment(*ends, seq=999, checksum=0x1234))
        for _ in range(3):
            raw.send(segment(*ends, seq=1000))
        check(sniffer.first(lambda p: p[9] == 6 and p[16:20] == bytes([192, 0, 2, 77])),
              "nobody has answered the SYN")
        wait_until(lambda s=service: stats(lab, s)["connections"], "it is counted")
        equal(stats(lab, service)["connections"], 1, f"connections with {scheduler}")
        equal(served_by(lab.client, TCP4, 3, port=port).keys() <= set(PORTS), True, "the next")
        equal(stats(lab, service)["connections"], 4, f"connections with {scheduler} after 3 more")
        raw.send(segment(*ends, flags="R", seq=1001))
    lab.lb.sysctl("net.ipv4.tcp_early_demux", 1)


@each(TCP)
def test_connections_in_flight_are_counted(lab, flow):
    """The least loaded is chosen, also after some have ended; a bound holds."""
    lab.servers.listen(flow, PORTS)
    service = lab.steer(flow, scheduler="wlc")
    held = [talk(where, flow) for where in (lab.client, lab.lb) * 6]
    equal(active(lab, service), dict.fromkeys(PORTS, 3), "connections that are open")
    for conversation in [c for c in held if c.port in (8002, 8003)]:
        held.remove(conversation)
        conversation.close()
    wait_until(lambda: active(lab, service) == {8001: 3, 8002: 0, 8003: 0, 8004: 3},
               lambda: f"those that are left: {active(lab, service)}")
    more = [talk(lab.client, flow) for _ in range(6)]
    equal({c.port for c in more}, {8002, 8003}, "where the next ones went")
    equal(active(lab, service), dict.fromkeys(PORTS, 3), "connections that are open then")
    lab.rlvs(f"dest edit {service} :8001-8004 --max-connections 3")
    for where in (lab.client, lab.lb):
        equal(refusal(where, flow), "refused", "a client when all are full")
    more.pop().close()
    # Three quarters of the bound of 3 are 2, which is one more than it must have.
    more.pop().close()
    wait_until(lambda: sorted(there(lab, service).values()) in ([1, 3, 3, 3], [2, 2, 3, 3]),
               lambda: f"two less: {there(lab, service)}")
    for conversation in held + more:
        conversation.close()
    wait_until(lambda: active(lab, service) == dict.fromkeys(PORTS, 0), "all have ended")


@each(TCP)
def test_what_a_destination_has_closed_is_not_active(lab, flow):
    """The client knows that it has ended, and so does the scheduler; whether or not it goes on."""
    lab.servers.listen(flow, PORTS)
    service = lab.steer(flow, scheduler="wlc")
    for where in (lab.client, lab.lb):
        with talk(where, flow) as conversation:
            sock = lab.servers.served(conversation.name).sock
            sock.shutdown(socket.SHUT_WR)
            equal(conversation.sock.recv(1), b"", "what the client reads at the end")
            destination = lab.destinations(service)[conversation.port]
            equal(destination["active_connections"], 0, "active connections")
            equal(destination["inactive_connections"], 1, "connections whose client goes on")
            # A reset, as something was not read.
            other = talk(where, flow)
            sock = lab.servers.served(other.name).sock
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            other.sock.shutdown(socket.SHUT_WR)
            try:
                equal(other.sock.recv(1), "a reset", "what the client reads")
            except ConnectionResetError:
                pass
            equal(active(lab, service), dict.fromkeys(PORTS, 0), "active connections")
        wait_until(lambda: sum(d["inactive_connections"] for d in
                               lab.destinations(service).values()) == 0, "all have ended")


def test_what_is_counted_is_shown(lab):
    """And what is not, never as 0."""
    lab.servers.listen(TCP4, PORTS)
    service = lab.steer(TCP4)
    held = [talk(lab.client, TCP4) for _ in range(4)]
    for destination in lab.destinations(service).values():
        equal(destination["stats"], {"connections": 1, "avoided": 0}, "the statistics")
    listed = json.loads(lab.rlvs("list --json"))["services"][0]
    equal(listed["stats"], {"connections": 4, "avoided": 0}, "the statistics in JSON")
    table = lab.rlvs("list --stats").splitlines()
    equal(table[3].split()[1:], "steer listening 1 - - 1 0 1 - - - - 0".split(),
          "the columns of a destination")
    equal(table[2].split()[2:], "4 - - - - 0".split(), "those of the service")
    rates = lab.rlvs("list --rate").splitlines()
    equal(rates[2].split()[2:], ["0", "-", "-", "-", "-"], "its rates")
    lab.rlvs(f"dest edit {service} :8001-8004 --max-connections 2 --min-connections 2")
    held += [talk(lab.client, TCP4) for _ in range(4)]
    equal(active(lab, service), dict.fromkeys(PORTS, 2), "connections up to the bound")
    equal(refusal(lab.client, TCP4), "refused", "a client when all are full")
    held.pop().close()
    # Bounds are for all connections, and one counts until its socket is gone.
    wait_until(lambda: sorted(there(lab, service).values()) == [1, 2, 2, 2], "one has ended")
    talk(lab.client, TCP4).close()
    for conversation in held:
        conversation.close()


def test_a_full_table_does_not_stop_a_connection(lab):
    lab.servers.listen(TCP4, [8001])
    lab.steer(TCP4, ports="8001", scheduler="wlc")
    lab.lb.sysctl("net.ipv4.vs.conn_max", 0)
    before = lab.counter("uncounted")
    try:
        equal(served_by(lab.client, TCP4, 3), {8001: 3}, "conversations")
    finally:
        lab.lb.sysctl("net.ipv4.vs.conn_max", 4194304)
    equal(lab.counter("uncounted") - before, 3, "the counter uncounted")


# The configuration.


def test_which_method_is_in_use(lab):
    """auto, the default, steers where the whole service can."""
    def methods(service):
        return {(d["method"], d["requested_method"]) for d in lab.destinations(service).values()}

    director = lab.director()
    for flow in (TCP4, TCP6):
        director.add(flow, 80, "8001-8002", "rr", method=AUTO)
        service = flow.service(80)
        equal(methods(service), {("steer", "auto")}, f"{flow}")
        lab.rlvs(f"service edit {service} --persistent 60")
        equal(methods(service), {("nat", "auto")}, f"{flow}, persistent")
        lab.rlvs(f"service edit {service} --persistent 0 --flags sloppy")
        equal(methods(service), {("nat", "auto")}, f"{flow}, sloppy")
        lab.rlvs(f"service edit {service} --flags none")
        equal(methods(service), {("steer", "auto")}, f"{flow}, neither any more")
        lab.rlvs(f"dest add {service} :8003 --method nat")
        equal(methods(service), {("nat", "auto"), ("nat", "nat")}, f"{flow}, one is nat")
        lab.rlvs(f"dest del {service} :8003")
        equal(methods(service), {("steer", "auto")}, f"{flow}, and is gone")
        lab.rlvs(f"dest edit {service} :8001 --method steer")
        equal(methods(service), {("steer", "auto"), ("steer", "steer")}, f"{flow}, one is steer")
    for flow in (UDP4, SCTP4):
        director.add(flow, 80, "8001", "rr", method=AUTO)
        equal(methods(flow.service(80)), {("nat", "auto")}, f"{flow}")
    done = lab.lb.must("rlvs", "dest", "add", TCP4.service(80), ":8009")
    equal(done, "", "what the tool says")
    equal(lab.destinations(TCP4.service(80))[8009]["requested_method"], "auto", "the default")


def test_what_is_refused(lab):
    service, udp = lab.steer(TCP4, ports="8001-8002"), lab.balance(UDP4, ports="8001")
    persistent = TCP4.service(81)
    lab.rlvs(f"service add {persistent} --persistent 60")
    lab.rlvs(f"dest add {persistent} :8001 --method auto")
    for line, words in (
            (f"dest add {service} :8003 --method nat", ("EINVAL", "--method", "auto first")),
            (f"dest edit {service} :8001 --method nat", ("EINVAL", "--method", "auto first")),
            (f"service edit {service} --persistent 60", ("EINVAL", "persistent")),
            (f"service edit {service} --flags sloppy", ("EINVAL", "sloppy")),
            (f"dest add {udp} :8002 --method steer", ("EOPNOTSUPP", "--method", "tcp")),
            (f"dest edit {udp} :8001 --method steer", ("EOPNOTSUPP", "--method", "tcp")),
            (f"dest edit {persistent} :8001 --method steer", ("EINVAL", "persistent")),
            (f"dest add {persistent} 127.0.0.1:8002 --method auto", ("EINVAL", "persistent"))):
        text = lab.refused(line)
        check(all(word in text for word in words), f"rlvs {line}: {text}")


@each(TCP)
def test_another_method_while_connections_live(lab, flow):
    """Those of either kind go on as they began, through all changes."""
    lab.servers.listen(flow, PORTS)
    service = lab.balance(flow)
    natted = [talk(where, flow) for where in (lab.client, lab.lb) * 2]
    equal(len(lab.conns()), 4, "entries")
    lab.rlvs(f"dest edit {service} :8001-8004 --method steer")
    steered = [talk(where, flow) for where in (lab.client, lab.lb) * 2]
    equal(len(lab.conns()), 4, "entries after new connections")
    equal([lab.servers.served(c.name).name[1] for c in steered], [80] * 4, "their processes' port")
    for conversation in natted + steered:
        conversation.bulk(30_000)
    # The ports are looked over once a second: entries must be found afterwards too.
    before = lab.counter("steered")
    wait_until(lambda: _a_second_has_passed(lab), "the periodic work has run", limit=20)
    for conversation in natted + steered:
        conversation.bulk(30_000)
    lab.rlvs(f"dest edit {service} :8001-8004 --method nat")
    again = talk(lab.client, flow)
    equal(len(lab.conns()), 5, "entries after another change")
    equal(lab.counter("steered"), before, "steered connections")
    for conversation in natted + steered + [again]:
        conversation.bulk(30_000)
    lab.rlvs(f"dest edit {service} :8001-8004 --method auto")
    for conversation in natted + [again]:
        conversation.close(reset=True)
    wait_until(lambda: all(c["state"] == "CLOSE" for c in lab.conns()), "they are closed")
    for conversation in steered:
        conversation.bulk(30_000)
        conversation.close()


def _a_second_has_passed(lab, state={}):  # pylint: disable=dangerous-default-value
    """Whether an entry has become older by two seconds since the first call."""
    left = min(c["expires"] for c in lab.conns())
    return left <= state.setdefault(id(lab), left) - 2


@each(TCP)
def test_a_deleted_service_leaves_its_connections(lab, flow):
    """Those of a deleted destination too, and those of a flushed configuration."""
    lab.servers.listen(flow, PORTS)
    for scheduler in ("rr", "wlc"):
        service = lab.steer(flow, scheduler=scheduler)
        held = [talk(where, flow) for where in (lab.client, lab.lb) * 4]
        for command in (f"dest del {service} :8001-8002", f"service del {service}", "flush"):
            lab.rlvs(command)
            for conversation in held:
                conversation.bulk(20_000)
        for where in (lab.client, lab.lb):
            equal(refusal(where, flow), "refused", "a new client")
        for conversation in held:
            conversation.close()


@each(TCP)
def test_deletion_now_resets_the_connections(lab, flow):
    lab.servers.listen(flow, PORTS)
    service = lab.steer(flow)
    held = [talk(where, flow) for where in (lab.client, lab.lb) * 4]
    lab.rlvs(f"dest del {service} :8001-8002 --now")
    for conversation in held:
        if conversation.port in (8001, 8002):
            equal(conversation.ends(), "reset", f"a connection of {conversation.port}")
        else:
            conversation.bulk(20_000)
    lab.rlvs(f"service del {service} --now")
    for conversation in held:
        conversation.close()


def test_without_the_module_connections_go_on(lab):
    """Also those that are counted; a process in another namespace of nothing knows."""
    for flow in TCP:
        lab.servers.listen(flow, PORTS)
    lab.steer(TCP4, scheduler="rr")
    lab.steer(TCP6, scheduler="wlc")
    held = [talk(where, flow) for where in (lab.client, lab.lb) for flow in TCP * 2]
    kernel.remove()
    try:
        for conversation in held:
            conversation.bulk(100_000)
        for flow in TCP:
            equal(refusal(lab.client, flow), "refused", "a new client")
        for conversation in held[::2]:
            conversation.close()
    finally:
        kernel.insert()
    for conversation in held[1::2]:
        conversation.bulk(100_000)
        conversation.close()
