# SPDX-License-Identifier: GPL-2.0
"""With sloppy_tcp and sloppy_sctp a packet in mid-stream opens an entry.

So a connection goes on when its entry is lost, or when its packets come by another director. A
connection that the host has itself is left alone.
"""

import collections
import contextlib
import fcntl
import json
import socket
import struct
import termios

from lib import kernel
from lib.clients import RESET_AT_CLOSE, talk
from lib.ktap import check, each, equal, seconds, wait_until
from lib.lab import SCTP, TCP
from lib.packets import Raw, sctp_data, sctp_init, segment
from lib.repair import end_of

SENT, ANSWERED = 3_000_000_000, 4_294_967_290  # sequence numbers; the second one soon wraps
SOURCE_PORT = 40000
SCTP_STATUS = 14  # a socket option; the length of struct sctp_status is 176


@contextlib.contextmanager
def sloppy(lab, flow, value=1):
    """The setting for the flow's protocol, and the default again."""
    name = f"net.ipv4.vs.sloppy_{flow.protocol}"
    lab.lb.sysctl(name, value)
    try:
        yield
    finally:
        lab.lb.sysctl(name, 0)


@contextlib.contextmanager
def quiet(host):
    """No SCTP packet leaves the host."""
    host.must("nft", "-f", "-", input="flush ruleset\ntable inet quiet {\n chain out {\n"
              "  type filter hook output priority 0\n  meta l4proto sctp drop\n }\n}\n")
    try:
        yield
    finally:
        host.must("nft", "flush", "ruleset")


def places(lab, flow):
    """A remote and a local client, and their addresses."""
    return ((lab.client, flow.client), (lab.lb, flow.vip))


@contextlib.contextmanager
def midway(lab, flow, where, address, port):
    """The client's and the process's end of a balanced connection without an entry."""
    client = end_of(where, flow, (address, SOURCE_PORT), (flow.vip, 80), SENT, ANSWERED)
    server = end_of(lab.lb, flow, (flow.vip, port), (address, SOURCE_PORT), ANSWERED, SENT)
    with client, server:
        for sock in (client, server):
            sock.settimeout(seconds(5))
        yield client, server
        for sock in (client, server):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)


def entry(lab, port=SOURCE_PORT):
    """The entry of the client's port, or None."""
    return next((c for c in lab.conns() if c["client_port"] == port), None)


@each(TCP)
def test_a_connection_without_entry_goes_on(lab, flow):
    """The process has it, and its answers come from the service. When it is off, the client is
    told that there is no such connection."""
    lab.balance(flow, ports="8001")
    for where, address in places(lab, flow):
        with midway(lab, flow, where, address, 8001) as (client, _):
            client.send(b"lost")
            try:
                check(False, f"got {client.recv(9)!r}, with sloppy_tcp=0")
            except ConnectionResetError:
                pass
            equal(entry(lab), None, "the entry, with sloppy_tcp=0")
        with sloppy(lab, flow), midway(lab, flow, where, address, 8001) as (client, server):
            for text in (b"one", b"two"):
                client.send(text)
                equal(server.recv(9), text, "what came")
                server.send(text)
                equal(client.recv(9), text, "what came back")
            found = entry(lab)
            check(found, "there is no entry")
            equal((found["state"], found["destination_port"]), ("ESTABLISHED", 8001), "the entry")
        wait_until(lambda: entry(lab)["state"] == "CLOSE", "the reset has closed it")
        lab.director().flush_now()
        lab.balance(flow, ports="8001")


@each(TCP)
def test_a_service_can_be_sloppy_alone(lab, flow):
    lab.rlvs(f"service add {flow.service(80)} --scheduler rr --flags sloppy")
    lab.rlvs(f"dest add {flow.service(80)} :8001 --method nat")
    listed = json.loads(lab.rlvs(f"list {flow.service(80)} --json"))["services"][0]
    equal(listed["flags"], ["sloppy"], "the flags")
    lab.balance(flow, ports="8001", port=81)
    raw = Raw(lab.client, "eth", lab.lb, "wan")
    for port in (81, 80):
        raw.send(segment(flow.client, flow.vip, 50000 + port, port, flags="A", ack=1))
    wait_until(lambda: entry(lab, 50080), "the segment has an entry")
    equal(entry(lab, 50081), None, "the entry of the other service's")
    lab.rlvs(f"service edit {flow.service(80)} --flags none")
    for port in (80, 81):
        raw.send(segment(flow.client, flow.vip, 50100 + port, port, flags="A", ack=1))
    with talk_when_served(lab, flow) as conversation:
        equal([c["client_port"] for c in lab.conns() if c["client_port"] != 50080],
              [conversation.name[1]], "client ports with an entry, without the flag")


def talk_when_served(lab, flow):
    """A conversation, which comes after what was sent before."""
    lab.servers.listen(flow, [8001])
    return talk(lab.client, flow)


@each(TCP)
def test_the_scheduler_chooses(lab, flow):
    """Any segment but a reset; the state is that of the segment."""
    lab.balance(flow, ports="8001-8004")
    raw = Raw(lab.client, "eth", lab.lb, "wan")

    def send(flags, number):
        raw.send(segment(flow.client, flow.vip, 50000 + number, 80, flags=flags, ack=1))

    kinds = ("A", "PA", "FA", "SA", "F")
    with sloppy(lab, flow):
        made = lab.counter("connections")
        for number in range(14):
            send("A", number)
        for number, flags in enumerate(kinds, 14):
            send(flags, number)
        for number, flags in enumerate(("R", "RA", "RS"), 30):
            send(flags, number)
        send("A", 40)
        wait_until(lambda: entry(lab, 50040), "the last segment has an entry")
        equal(lab.counter("connections") - made, 15 + len(kinds), "entries made")
        ports = collections.Counter(c["destination_port"] for c in lab.conns())
        equal(ports, {port: 5 for port in range(8001, 8005)}, "entries of each destination")


@each(TCP)
def test_a_connection_to_the_host_itself_is_left_alone(lab, flow):
    """One that is older than the service: established, and then in TIME_WAIT."""
    lab.servers.listen(flow, [80, 8001])
    raw = Raw(lab.client, "eth", lab.lb, "wan")
    for where, address in places(lab, flow):
        with talk(where, flow) as own:
            equal(own.port, 80, "the server")
            lab.balance(flow, ports="8001")
            with sloppy(lab, flow):
                own.bulk(50_000)
                lab.servers.finish(lab.servers.served(own.name))
                equal(own.ends(), "closed", "how the connection ended")
                name = own.name
                own.close()
                if where is lab.client:
                    raw.send(segment(address, flow.vip, name[1], 80, flags="FA"))
                with talk(where, flow) as balanced:
                    equal([c["client_port"] for c in lab.conns()], [balanced.name[1]],
                          "client ports with an entry")
        lab.director().flush_now()


@each(TCP)
def test_a_connection_straight_to_a_destination_is_left_alone(lab, flow):
    """A stray segment to the service, from a client port that has a connection straight to the
    destination's port: the destination's answers must not be taken for the service's."""
    lab.servers.listen(flow, [8001, 8002])
    lab.balance(flow, ports="8001")
    raw = Raw(lab.client, "eth", lab.lb, "wan")
    with talk(lab.client, flow, 8001, source=flow.client, source_port=SOURCE_PORT) as straight, \
            sloppy(lab, flow):
        stray = segment(flow.client, flow.vip, SOURCE_PORT, 80, flags="A", seq=1, ack=1)
        before = lab.counter("no_destination")
        raw.send(stray)
        wait_until(lambda: lab.counter("no_destination") > before, "the segment was refused")
        equal(entry(lab), None, "the entry")
        straight.bulk(50_000)
        lab.rlvs(f"dest add {flow.service(80)} :8002 --method nat")
        raw.send(stray)
        wait_until(lambda: entry(lab), "the segment has gone elsewhere")
        equal(entry(lab)["destination_port"], 8002, "the destination")
        straight.bulk(50_000)
        straight.close(reset=True)


@each(SCTP)
def test_a_chunk_in_mid_stream(lab, flow):
    """Any but ABORT. What the destination's host would answer is kept back."""
    lab.balance(flow, ports="8001")
    raw = Raw(lab.client, "eth", lab.lb, "wan")
    chunks = {"DATA": 0, "SACK": 3, "COOKIE ACK": 11, "HEARTBEAT": 4}
    for value in (0, 1):
        with quiet(lab.lb), sloppy(lab, flow, value):
            for port, kind in enumerate((6, *chunks.values()), 50000):
                raw.send(sctp_data(flow.client, flow.vip, port, 80, kind))
            if value:
                wait_until(lambda: entry(lab, 50004), "the last chunk has an entry")
            else:
                raw.send(sctp_init(flow.client, flow.vip, 50005, 80))
                wait_until(lambda: entry(lab, 50005), "an INIT has an entry")
            found = {c["client_port"]: c["state"] for c in lab.conns()}
            found.pop(50005, None)
            equal(found, {port: "ESTABLISHED" for port in range(50001, 50005)} if value else {},
                  "the entries")


@each([*TCP, *SCTP])
def test_a_transfer_survives_the_module(lab, flow):
    """It is unloaded and loaded again in the middle; with sloppy the data is whole."""
    equal(lab.lb.read(f"/proc/sys/net/ipv4/vs/sloppy_{flow.protocol}"), "0\n", "the default")
    if flow.protocol == "sctp":
        kernel.need("sctp")
        # A heartbeat while the module is away would end the association, as any packet would. One is
        # sent after half a minute without a packet, or a second after one was lost.
        for host in (lab.client, lab.lb):
            host.sysctl("net.sctp.hb_interval", 3_600_000)
            host.sysctl("net.sctp.pf_enable", 0)
    lab.servers.listen(flow, [8001])
    for where in (lab.client, lab.lb):
        lab.balance(flow, ports="8001")
        # An SCTP socket that is not bound has every address of its host.
        source = flow.client if where is lab.client else flow.host
        with talk(where, flow, source=source, limit=5) as conversation:
            conversation.bulk(100_000)
            reload(lab, conversation)
            with sloppy(lab, flow):
                conversation.bulk(100_000)
                found = entry(lab, conversation.name[1])
                check(found, "there is no entry")
                equal((found["state"], found["destination_port"]), ("ESTABLISHED", 8001),
                      "the entry")
            reload(lab, conversation)
            # SCTP of this kernel walks a list outside RCU, and lockdep says so, when an ABORT comes
            # while the sender holds the socket: it has to answer what a timer retransmits.
            with quiet(where):
                conversation.sock.send(b"lost")
            check(conversation.ends(limit=5) in ("reset", "closed"),
                  f"the {flow} connection goes on, with sloppy off")
        lab.reset()
        lab.servers.listen(flow, [8001])


def reload(lab, conversation):
    """Takes the module out and puts it in again, with the service, while nothing is under way: a
    packet that comes meanwhile would meet a host that does not know it."""
    ends = conversation.sock, lab.servers.served(conversation.name).sock
    wait_until(lambda: not any(unacknowledged(conversation.flow, end) for end in ends),
               "everything is acknowledged")
    kernel.remove()
    kernel.insert()
    lab.balance(conversation.flow, ports="8001")


def unacknowledged(flow, sock):
    """The bytes, or chunks of SCTP, that the other end has not acknowledged."""
    if flow.protocol == "sctp":
        return struct.unpack_from("=H", sock.getsockopt(flow.number, SCTP_STATUS, 176), 12)[0]
    return struct.unpack("=i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]
