# SPDX-License-Identifier: GPL-2.0
"""With --flags ops each packet of a UDP client is scheduled by itself and leaves no entry."""

import collections
import errno
import json
import socket

from lib.capture import CHECKSUM_STATUS, Capture, fields, packets
from lib.clients import is_refused, talk
from lib.genl import N, Error, destination, service
from lib.ktap import check, each, equal, fewer, seconds, wait_until
from lib.lab import FAMILIES, SCTP4, TCP4, UDP, UDP4

PORTS = range(8001, 8005)
CLOSED = 8009
SOURCE_PORT = 40000
SCHEDULERS = ("rr wrr lc wlc sed nq fo ovf sh dh mh lblc lblcr twos p2c").split()
ADD, SET, DEST_ADD, DEST_DEL = (N["RLVS_CMD_" + name] for name in (
    "SERVICE_ADD", "SERVICE_SET", "DESTINATION_ADD", "DESTINATION_DEL"))
OPS = N["RLVS_SERVICE_FLAG_OPS"]
KEYS = ("connections", "in_packets", "out_packets", "in_bytes", "out_bytes")


def serve(lab, flow, ports="8001-8004", address=None):
    """A service of port 80 with one-packet scheduling; its name."""
    lab.director().add(flow, 80, ports, "rr", address, OPS)
    return flow.service(80, address)


def add_elsewhere(lab, flow, port):
    """A service like that, whose destination is on another address of the host."""
    director, own = lab.director(), service(flow, 80, flags=OPS)
    director.must(ADD, own)
    director.must(DEST_ADD, destination(service(flow, 80), port, address=flow.host))


def client_of(where, flow, address=None, connect=True):
    """A client's socket. A connected one takes answers from the service alone."""
    with where:
        sock = socket.socket(flow.family, socket.SOCK_DGRAM)
    sock.settimeout(seconds(5))
    if connect:
        sock.connect((address or flow.vip, 80))
    return sock


def asked(sock, count, data=b"query"):
    """Which server has answered each of so many datagrams, and the bytes of the answers."""
    ports, length = collections.Counter(), 0
    for _ in range(count):
        sock.send(data)
        answer = sock.recv(2048)
        greeting, echo = answer.split(b"\n", 1)
        equal(echo, data, "what came back")
        ports[int(greeting.split()[0])] += 1
        length += len(answer)
    return dict(ports), length


def places(lab):
    """A remote and a local client."""
    return lab.client, lab.lb


@each(UDP)
def test_each_packet_goes_to_another_destination(lab, flow):
    """Of one and the same client port, and it makes no entry. The answers are the service's, and
    the counters say so."""
    lab.servers.listen(flow, PORTS)
    name = flow.service(80)
    lab.rlvs(f"service add {name} --scheduler rr --flags ops")
    lab.rlvs(f"dest add {name} :8001-8004 --method nat")
    equal(lab.find(name)["flags"], ["ops"], "the flags")
    listed = json.loads(lab.rlvs("list --json"))["services"]
    equal([s["flags"] for s in listed], [["ops"]], "the flags in JSON")
    check(" ops" in lab.rlvs("list"), "the flag is not in the table")
    made = lab.counter("connections")
    for where in places(lab):
        lab.rlvs(f"service zero {name}")
        with client_of(where, flow) as sock:
            ports, length = asked(sock, 8)
        equal(ports, {port: 2 for port in PORTS}, "answers of each server")
        headers = 8 * ((20 if flow.version == 4 else 40) + 8)
        wanted = (8, 8, 8, headers + 8 * len(b"query"), headers + length)
        found = lab.find(name)
        equal(tuple(found["stats"][key] for key in KEYS), wanted, f"the service's {KEYS}")
        for target in found["destinations"]:
            stats = target["stats"]
            equal([stats[key] for key in KEYS[:3]], [2, 2, 2], "a destination's")
            equal(target["active_connections"], 0, "its connections")
    equal((lab.conns(), lab.counter("connections")), ([], made), "entries, and those made")


@each(UDP)
def test_answers_come_from_the_address_that_was_asked(lab, flow):
    """The destination on another address; a service on the wildcard address, on three of the
    host's."""
    lab.servers.listen(flow, [9000], address=flow.host)
    add_elsewhere(lab, flow, 9000)
    for where in places(lab):
        with client_of(where, flow) as sock:
            equal(asked(sock, 3)[0], {9000: 3}, "answers")
    lab.director().flush_now()
    for address in (flow.vip, flow.vip2, flow.host):
        lab.servers.listen(flow, [8001, 8002], address=address)
    serve(lab, flow, "8001-8002", address=flow.any)
    for where in places(lab):
        for address in (flow.vip, flow.vip2, flow.host):
            with client_of(where, flow, address) as sock:
                equal(asked(sock, 4)[0], {8001: 2, 8002: 2}, f"answers of {address}")
    equal(lab.conns(), [], "entries")


@each(UDP)
def test_every_scheduler(lab, flow):
    """Those that count connections see none, and take the first of equals."""
    lab.servers.listen(flow, [8001, 8002])
    name = serve(lab, flow, "8001-8002")
    with client_of(lab.client, flow) as sock:
        for scheduler in SCHEDULERS:
            lab.director().must(SET, service(flow, 80, scheduler=scheduler))
            equal(lab.find(name)["flags"], ["ops"], f"the flags with {scheduler}")
            ports, _ = asked(sock, 4)
            if scheduler in ("rr", "wrr"):
                equal(ports, {8001: 2, 8002: 2}, f"answers with {scheduler}")
            elif scheduler in ("lc", "wlc", "sed", "nq"):
                equal(ports, {8001: 4}, f"answers with {scheduler}")
            elif scheduler in ("sh", "mh", "dh"):
                equal(len(ports), 1, f"servers with {scheduler}")
    equal(lab.conns(), [], "entries")


@each(UDP)
def test_without_a_destination_the_client_is_told(lab, flow):
    name = serve(lab, flow, "8001")
    lab.rlvs(f"dest edit {name} :8001 --weight 0")
    for where in places(lab):
        before = lab.counter("no_destination")
        with client_of(where, flow) as sock:
            check(is_refused(sock), "the client is not told")
        equal(lab.counter("no_destination"), before + 1, "no_destination")


@each(UDP)
def test_a_closed_port_is_told_to_the_client(lab, flow):
    """As coming from the service, wherever the destination is. A firewall closes it, since one
    where nobody listens is not chosen."""
    rule = (f"table inet closed {{ chain in {{ type filter hook input priority 0; "
            f"udp dport {CLOSED} reject with icmpx port-unreachable; }}; }}")
    equal(lab.lb.run("nft", "-f", "-", input=rule).stderr, "", "nft")
    try:
        for elsewhere in (False, True):
            lab.servers.listen(flow, [CLOSED], address=flow.host if elsewhere else None)
            if elsewhere:
                add_elsewhere(lab, flow, CLOSED)
            else:
                serve(lab, flow, str(CLOSED))
            for where in places(lab):
                before = lab.counter("icmp_error")
                with client_of(where, flow) as sock:
                    check(is_refused(sock), f"elsewhere {elsewhere}: the client is not told")
                equal(lab.counter("icmp_error"), before + 1, "translated errors")
            lab.director().flush_now()
    finally:
        lab.lb.must("nft", "flush", "ruleset")


@each(UDP)
def test_entries_from_before_go_on(lab, flow):
    """A client that had one keeps its destination until it is over; others have none. When the
    flag is taken away, entries are made again."""
    lab.servers.listen(flow, PORTS)
    lab.balance(flow)
    with talk(lab.client, flow) as old, client_of(lab.client, flow) as sock:
        entries = lab.conns()
        equal(len(entries), 1, "entries before the flag")
        lab.director().must(SET, service(flow, 80, flags=OPS))
        # say() checks that it is the same server each time.
        for _ in range(6):
            old.say(b"still the same")
        equal(asked(sock, 8)[0], {port: 2 for port in PORTS}, "answers of each server")
        equal([c["client_port"] for c in lab.conns()], [old.name[1]], "client ports with an entry")
        lab.rlvs("timeouts --udp 1")
        try:
            wait_until(lambda: not lab.conns(), "the entry is over")
        finally:
            lab.rlvs("timeouts --udp 0")
        equal(len(asked(old.sock, 4)[0]), 4, "servers of the old client")
        lab.rlvs(f"service edit {flow.service(80)} --flags none")
        equal(len(asked(sock, 4)[0]), 1, "servers without the flag")
        equal(len(lab.conns()), 1, "entries without the flag")


@each(UDP)
def test_a_packet_to_the_destination_itself_is_answered_by_the_service(lab, flow):
    """As the manual says: who asks the port of a destination cannot be told from others."""
    lab.servers.listen(flow, [8001])
    serve(lab, flow, "8001")
    for where in places(lab):
        with client_of(where, flow, connect=False) as sock:
            sock.sendto(b"straight", (flow.vip, 8001))
            equal(sock.recvfrom(2048)[1][:2], (flow.vip, 80), "where the answer is from")


@each(UDP)
def test_an_answer_is_not_taken_for_that_of_a_connection(lab, flow):
    """The client's port has a connection with the destination, of a deleted service. A
    destination that is the client is not sent to itself."""
    lab.servers.listen(flow, [8001, 8002])
    old = lab.balance(flow, ports="8001", port=81)
    with talk(lab.client, flow, 81, source=flow.client, source_port=SOURCE_PORT) as connection:
        lab.rlvs(f"service del {old}")
        serve(lab, flow, "8001-8002")
        connection.sock.connect((flow.vip, 80))
        equal(asked(connection.sock, 4)[0], {8002: 4}, "answers to the port with a connection")
        connection.sock.connect((flow.vip, 81))
        connection.say(b"still there")
        with client_of(lab.client, flow) as other:
            equal(asked(other, 4)[0], {8001: 2, 8002: 2}, "answers to another port")
    lab.servers.stop(flow, 8001)
    with lab.lb:
        itself = socket.socket(flow.family, socket.SOCK_DGRAM)
    with itself:
        lab.rlvs(f"dest del {flow.service(80)} :8002")
        itself.settimeout(seconds(5))
        itself.bind((flow.vip, 8001))
        itself.connect((flow.vip, 80))
        check(is_refused(itself), "it was sent to itself")


def test_sums_are_right(lab):
    """Those of answers, computed before they leave; tshark judges."""
    for flow in UDP:
        lab.servers.listen(flow, [8001])
        lab.servers.listen(flow, [9000], address=flow.host)
        name = serve(lab, flow, "8001")
        lab.rlvs(f"dest add {name} {flow.endpoint(flow.host, 9000)} --method nat")
    lab.lb.sysctl("net.ipv4.vs.csum_complete", 1)
    try:
        with Capture(lab.lb, "wan", "udp src port 80") as outward:
            for flow in UDP:
                with client_of(lab.client, flow) as sock:
                    for size in (0, 1, 2, 511, 1300):
                        asked(sock, 2, b"x" * size)
    finally:
        lab.lb.sysctl("net.ipv4.vs.csum_complete", 0)
    rows = fields(outward.path, "udp.checksum.status")
    equal(collections.Counter(CHECKSUM_STATUS.get(row[0]) for row in rows), {"good": 20},
          "the checksums of the answers")
    equal({p.source for p in packets(outward.path)}, {flow.vip for flow in UDP},
          "where the answers are from")


@each(UDP)
def test_the_defence_drops_packets(lab, flow):
    """One of three; each packet is the first one of a connection."""
    lab.servers.listen(flow, [8001])
    serve(lab, flow, "8001")
    before = lab.counter("drop_packet")
    lab.lb.sysctl("net.ipv4.vs.am_droprate", 3)
    lab.lb.sysctl("net.ipv4.vs.drop_packet", 3)
    try:
        with client_of(lab.client, flow) as sock:
            wait_until(lambda: sock.send(b"") is None or lab.counter("drop_packet") > before,
                       "the defence is on")
        before = lab.counter("drop_packet")
        with client_of(lab.client, flow) as sock:
            for _ in range(9):
                sock.send(b"query")
            for _ in range(6):
                sock.recv(2048)
        equal(lab.counter("drop_packet") - before, 3, "packets dropped")
    finally:
        lab.lb.sysctl("net.ipv4.vs.drop_packet", 0)
        lab.lb.sysctl("net.ipv4.vs.am_droprate", 10)


def refused(lab, command, number, *words):
    """The kernel refuses it with this errno, and says what to change."""
    text = lab.refused(command)
    for word in (number, *words):
        check(word in text, f"{command}: no {word!r} in {text!r}")


def test_only_udp_services_have_it(lab):
    lab.balance(TCP4, ports="8001")
    before = lab.find(TCP4.service(80))
    refused(lab, f"service add {TCP4.service(81)} --flags ops", "EINVAL", "leave out", "flags")
    refused(lab, f"service add {SCTP4.service(81)} --flags ops", "EINVAL", "leave out")
    refused(lab, f"service edit {TCP4.service(80)} --flags ops", "EINVAL", "leave out")
    equal(lab.find(TCP4.service(80)), before, "the service")


@each(FAMILIES)
def test_nobody_else_has_the_destination(lab, family):
    """Whichever comes first; a wildcard is every address. Other protocols and families do not
    matter."""
    flow = next(udp for udp in UDP if udp.version == family.version)
    director = lab.director()
    own, other, anywhere = (service(flow, 80), service(flow, 81), service(flow, 82, flow.any))

    def add(*of, taken=False, **options):
        done = director.request(DEST_ADD, destination(*of, **options))
        number = done.errno if isinstance(done, Error) else 0
        equal(number, errno.EADDRINUSE if taken else 0, f"the answer to {of} {options}")

    serve(lab, flow, "8001-8002")
    for attributes in (other, anywhere):
        director.must(ADD, attributes)
    refused(lab, f"dest add {flow.service(81)} :8001 --method nat", "EADDRINUSE", "another port")
    add(other, 8000, 8001, taken=True)
    add(other, 8003, 8004)
    add(own, 8004, taken=True)
    add(own, 8004, 8005, taken=True)
    add(anywhere, 8002, taken=True)
    add(anywhere, 8002, address=flow.vip, taken=True)
    add(anywhere, 8002, address=flow.vip2)
    add(anywhere, 8003)
    refused(lab, f"service edit {flow.service(81)} --flags ops", "EADDRINUSE", "another port")
    # They may share one while neither has the flag.
    director.must(SET, service(flow, 80, flags=0))
    add(other, 8001)
    outcome = director.request(SET, service(flow, 80, flags=OPS))
    equal(getattr(outcome, "errno", 0), errno.EADDRINUSE, "the answer to the flag")
    director.must(DEST_DEL, destination(other, 8001, method=None))
    director.must(SET, service(flow, 80, flags=OPS))
    lab.balance(family, ports="8001-8002")


@each(UDP)
def test_a_wildcard_service_has_its_own_address_alone(lab, flow):
    """From another one it does not follow which address the client has asked."""
    name = serve(lab, flow, "8001", address=flow.any)
    words = ("EINVAL", "by their port")
    refused(lab, f"dest add {name} {flow.endpoint(flow.vip, 8002)} --method nat", *words)
    director, wildcard = lab.director(), (flow, 80, flow.any)
    director.must(SET, service(*wildcard, flags=0))
    director.must(DEST_ADD, destination(service(*wildcard), 8002, address=flow.vip))
    refused(lab, f"service edit {name} --flags ops", *words)


@each(UDP)
def test_destinations_come_and_go_under_load(lab, flow):
    """None of the answers is from a destination's own port, and none is missing."""
    lab.servers.listen(flow, PORTS)
    serve(lab, flow, "8001-8002")
    director, two = lab.director(), destination(service(flow, 80), 8003, 8004, method=None)
    with client_of(lab.client, flow) as sock:
        for _ in range(fewer(20, 5)):
            director.must(DEST_ADD, two)
            equal(len(asked(sock, 4)[0]), 4, "servers of four")
            director.must(DEST_DEL, two)
            equal(asked(sock, 4)[0], {8001: 2, 8002: 2}, "answers of two")
    equal(lab.counter("entries"), 0, "entries")


def test_a_flood_from_one_client_takes_no_entries(lab):
    """What a table of the smallest size would refuse."""
    lab.servers.listen(UDP4, [8001])
    serve(lab, UDP4, "8001")
    lab.lb.sysctl("net.ipv4.vs.conn_max", 0)
    try:
        for number in range(20):
            with client_of(lab.client, UDP4) as sock:
                equal(asked(sock, 1)[0], {8001: 1}, f"answers to client {number}")
    finally:
        lab.lb.sysctl("net.ipv4.vs.conn_max", 4194304)
