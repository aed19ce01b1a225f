# SPDX-License-Identifier: GPL-2.0
"""SCTP associations are balanced, followed and ended like connections of TCP."""

import ipaddress
import socket
import struct
import time

from lib import kernel
from lib.clients import refusal, served_by, talk
from lib.ktap import check, each, equal, in_time, wait_until
from lib.lab import SCTP, SCTP4, Lab
from lib.packets import Raw, Sniffer, crc_is_wrong_by, sctp_init

PORTS = range(8001, 8005)
HEARTBEATS = 200  # milliseconds between two of them, beside the retransmission timeout of 1 s
ADD_ADDRESSES = 100  # SCTP_SOCKOPT_BINDX_ADD
OFFLOADS = ("tx", "rx", "gso", "gro")


def make_lab():
    """The lab, with SCTP in its kernel."""
    kernel.need("sctp")
    lab = Lab()
    for host in (lab.lb, lab.client):
        host.sysctl("net.sctp.hb_interval", HEARTBEATS)
    return lab


def source(lab, where, flow):
    """The address that a client of this host is bound to, so that it has no other ones."""
    return flow.client if where is lab.client else flow.host


def entry(lab, port):
    """The connection entry of a client's port, or None."""
    found = [c for c in lab.conns() if c["client_port"] == port]
    check(len(found) <= 1, f"port {port} has {len(found)} entries")
    return found[0] if found else None


def reaches(lab, port, states, expires):
    """Waits until the entry is in one of these states, and looks when it expires then."""
    def reached():
        found = entry(lab, port)
        return found if found and found["state"] in states else None

    found = wait_until(reached, lambda: f"the state is one of {states}: {entry(lab, port)}")
    check(found["expires"] <= expires,
          f"expires in {found['expires']} s, wanted up to {expires}")


def connected(lab, flow, **options):
    """A conversation with the only destination."""
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    return talk(lab.client, flow, source=flow.client, **options)


def offload(host, device, on):
    """Switches a device's checksum and segmentation offloads."""
    value = "on" if on else "off"
    host.must("ethtool", "-K", device, *(word for name in OFFLOADS for word in (name, value)))


def snmp(host, name):
    """One of SCTP's own counters in a namespace."""
    lines = host.read("/proc/thread-self/net/sctp/snmp").splitlines()
    return int(dict(line.split() for line in lines)[name])


def parameters(body):
    """The parameters of an INIT: types and values."""
    end = 12 + struct.unpack_from("!H", body, 14)[0]
    at = 32
    while at < end:
        kind, length = struct.unpack_from("!HH", body, at)
        yield kind, body[at + 4:at + length]
        at += (length + 3) & ~3


def peers(host):
    """The addresses at the other ends of a host's associations."""
    rows = host.read("/proc/thread-self/net/sctp/remaddr").splitlines()[1:]
    return {str(ipaddress.ip_address(row.split()[0])) for row in rows}


@each(SCTP)
def test_associations_are_shared_out(lab, flow):
    lab.servers.listen(flow, PORTS)
    lab.balance(flow)
    for where in (lab.client, lab.lb):
        served = served_by(where, flow, 8, source=source(lab, where, flow))
        equal(served, {port: 2 for port in PORTS}, "conversations of each server")


@each(SCTP)
def test_data_of_all_sizes(lab, flow):
    """Messages that fit a packet, and those that are cut by SCTP or by the device."""
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    before = snmp(lab.lb, "SctpChecksumErrors"), snmp(lab.client, "SctpChecksumErrors")
    for on in (True, False):
        offload(lab.lb, "wan", on)
        offload(lab.client, "eth", on)
        for where in (lab.client, lab.lb):
            with talk(where, flow, source=source(lab, where, flow)) as conversation:
                for size in (1, 2, 3, 4, 1000, 1452, 20_001):
                    conversation.say(bytes(size))
                conversation.bulk(400_000)
    after = snmp(lab.lb, "SctpChecksumErrors"), snmp(lab.client, "SctpChecksumErrors")
    equal(after, before, "packets with a wrong checksum that (lb, client) received")


@each(SCTP)
def test_an_entry_tells_the_whole_association(lab, flow):
    with connected(lab, flow) as conversation:
        reaches(lab, conversation.name[1], ("ESTABLISHED",), 900)
        found = entry(lab, conversation.name[1])
        check(found.pop("expires") > 800, "an established association's entry expires too soon")
        equal(found, {
            "protocol": "sctp",
            "client_address": conversation.name[0], "client_port": conversation.name[1],
            "service_address": flow.vip, "service_port": 80,
            "destination_address": flow.vip, "destination_port": 8001,
            "state": "ESTABLISHED",
        }, "the entry")
        shown = lab.rlvs("conns")
        check("sctp" in shown and "ESTABLISHED" in shown, f"rlvs conns prints {shown!r}")
        destination = lab.destinations(flow.service(80))[8001]
        equal((destination["active_connections"], destination["inactive_connections"]), (1, 0),
              "(active, inactive)")


@each(SCTP)
def test_either_end_shuts_down(lab, flow):
    lab.servers.listen(flow, [8001])
    service = lab.balance(flow, ports="8001")
    first = talk(lab.client, flow, source=flow.client)
    first.close()
    reaches(lab, first.name[1], ("CLOSED",), 61)
    second = talk(lab.client, flow, source=flow.client)
    lab.servers.finish(lab.servers.served(second.name))
    equal(second.ends(), "closed", "what the client sees")
    reaches(lab, second.name[1], ("CLOSED",), 61)
    destination = lab.destinations(service)[8001]
    equal((destination["active_connections"], destination["inactive_connections"]), (0, 2),
          "(active, inactive)")


@each(SCTP)
def test_an_abort_closes(lab, flow):
    conversation = connected(lab, flow)
    served = lab.servers.served(conversation.name)
    conversation.close(reset=True)
    wait_until(lambda: served.ended == "reset", "the server saw the abort")
    reaches(lab, conversation.name[1], ("CLOSED",), 61)


@each(SCTP)
def test_a_port_is_used_again(lab, flow):
    """After the end of an association an INIT from the same port is a new one."""
    lab.servers.listen(flow, PORTS)
    lab.balance(flow)
    ports = []
    for _ in range(3):
        with talk(lab.client, flow, source=flow.client, source_port=40000) as conversation:
            ports.append(conversation.port)
        reaches(lab, 40000, ("CLOSED",), 61)
    equal(len(set(ports)), 3, f"different servers of three associations, which were {ports}")


@each(SCTP)
def test_heartbeats_keep_an_idle_association(lab, flow):
    with connected(lab, flow) as conversation:
        service = flow.service(80)

        def packets():
            stats = lab.find(service)["stats"]
            return stats["in_packets"], stats["out_packets"]

        before = packets()
        wait_until(lambda: all(now >= then + 4 for now, then in zip(packets(), before)),
                   lambda: f"heartbeats pass both ways: {before}, then {packets()}", limit=20)
        reaches(lab, conversation.name[1], ("ESTABLISHED",), 900)
        conversation.say(b"still here")


@each(SCTP)
def test_a_client_with_several_addresses(lab, flow):
    """Only the address that it began with is used; heartbeats to others would end all."""
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    with talk(lab.client, flow) as conversation:
        equal(conversation.name[0], flow.client, "the client's primary address")
        equal(peers(lab.lb), {flow.client}, "addresses of others that lb's sockets know")
        time.sleep(3)  # two heartbeats on each way that there is
        conversation.say(b"still here")
        conversation.bulk(50_000)


def bind_also(server, flow, address, port):
    """Binds an SCTP socket to one more address."""
    octets = socket.inet_pton(flow.family, address)
    name = struct.pack("=H", flow.family) + struct.pack("!H", port)
    name += octets + bytes(8) if flow.version == 4 else bytes(4) + octets + bytes(4)
    server.setsockopt(socket.IPPROTO_SCTP, ADD_ADDRESSES, name)


@each(SCTP)
def test_a_server_with_several_addresses(lab, flow):
    """It lists them in its INIT ACK, but the client does not see them."""
    # Of addresses that suit it equally well the kernel sends from the first (IPv4) or the last
    # one (IPv6), which has to be the destination's here.
    first, last = (flow.vip, flow.vip2) if flow.version == 4 else (flow.vip2, flow.vip)
    lab.servers.listen(flow, [8001], address=first)
    bind_also(lab.servers.bound[("sctp", first, 8001)], flow, last, 8001)
    lab.balance(flow, ports="8001")
    offload(lab.lb, "wan", False)
    answers = Sniffer(lab.client, "eth")
    raw = Raw(lab.client, "eth", lab.lb, "wan")
    kinds = {}
    for port in (8001, 80):
        raw.send(sctp_init(flow.client, flow.vip, 5700, port))
        start = 20 if flow.version == 4 else 40
        ports = struct.pack("!HH", port, 5700)
        answer = answers.first(lambda p, end=ports: p[start:start + 4] == end
                               and p[start + 12] == 2)
        check(answer, f"no INIT ACK from port {port}")
        equal(crc_is_wrong_by(answer[start:]), 0, "by how much the checksum is wrong")
        kinds[port] = [kind for kind, _ in parameters(answer[start:])]
    address = 5 if flow.version == 4 else 6
    equal(kinds[8001].count(address), 2, "addresses that the server itself tells")
    hidden = [0x8005 if kind == address else kind for kind in kinds[8001]]
    equal(kinds[80], hidden, "the types of the parameters of the balanced answer")


@each(SCTP)
def test_straight_to_a_destination(lab, flow):
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    with talk(lab.client, flow, port=8001, source=flow.client) as conversation:
        conversation.bulk(20_000)
        equal(lab.conns(), [], "connection entries")


@each(SCTP)
def test_without_a_destination_it_is_refused_at_once(lab, flow):
    lab.rlvs(f"service add {flow.service(80)}")
    for where in (lab.client, lab.lb):
        before = lab.counter("no_destination"), lab.counter("rejected")
        begun = time.monotonic()
        equal(refusal(where, flow, source=source(lab, where, flow)), "refused", "an association")
        took = time.monotonic() - begun
        in_time(took < 0.9, f"the refusal took {took:.2f} s")
        check(lab.counter("no_destination") > before[0], "no_destination was not counted")
        check(lab.counter("rejected") > before[1], "rejected was not counted")
    equal(lab.conns(), [], "connection entries")


@each(SCTP)
def test_a_destination_that_refuses(lab, flow):
    """Nobody listens there: the host's own ABORT passes if there is nobody else, and a new INIT
    goes elsewhere when there is."""
    lab.servers.listen(flow, [8002])
    service = lab.balance(flow, ports="8001")
    equal(refusal(lab.client, flow, source=flow.client, source_port=41000), "refused",
          "an association with nobody")
    reaches(lab, 41000, ("REJECTED",), 4)
    lab.rlvs(f"dest add {service} :8002 --method nat")
    with talk(lab.client, flow, source=flow.client, source_port=41000) as conversation:
        equal(conversation.port, 8002, "the server")


@each(SCTP)
def test_cut_associations_end_when_they_are_used(lab, flow):
    conversation = connected(lab, flow)
    served = lab.servers.served(conversation.name)
    lab.rlvs(f"service del {flow.service(80)} --now")
    equal(lab.conns(), [], "connection entries")
    # The next heartbeat of each end meets nobody.
    equal(conversation.ends(limit=10), "reset", "what the client sees")
    wait_until(lambda: served.ended == "reset", "the server sees it")


def line(lab):
    """A packet socket on the client's end of the link, for a host whose kernel does not care."""
    raw = Raw(lab.client, "eth", lab.lb, "wan")
    lab.lb.ip(f"neigh replace 192.0.2.200 lladdr {raw.source_mac} dev wan nud permanent")
    return raw


def test_a_lone_init_is_no_association(lab):
    """An INIT whose answer nobody acknowledges."""
    lab.servers.listen(SCTP4, [8001])
    lab.balance(SCTP4, ports="8001")
    line(lab).send(sctp_init("192.0.2.200", SCTP4.vip, 5555, 80))
    reaches(lab, 5555, ("COOKIE_SENT",), 61)


def test_only_an_init_opens(lab):
    lab.servers.listen(SCTP4, [8001])
    lab.balance(SCTP4, ports="8001")
    raw = line(lab)
    for number in [n for n in range(16) if n != 1] + [64, 255]:
        packet = bytearray(sctp_init("192.0.2.200", SCTP4.vip, 6000 + number, 80))
        packet[32] = number
        packet[28:32] = bytes(4)
        struct.pack_into("<I", packet, 28, crc_is_wrong_by(bytes(packet[20:])))
        raw.send(bytes(packet))
    with talk(lab.client, SCTP4, source=SCTP4.client, source_port=7000):
        equal([c["client_port"] for c in lab.conns()], [7000], "client ports with an entry")


@each(SCTP)
def test_a_wrong_checksum_stays_wrong(lab, flow):
    """By exactly as much as it was wrong before, and the receiver counts it; a right one stays
    right, also when addresses are hidden."""
    lab.servers.listen(flow, PORTS)
    lab.balance(flow)
    offload(lab.lb, "wan", False)
    with lab.lb:
        copies = socket.socket(flow.family, socket.SOCK_RAW, flow.number)
    copies.settimeout(5)
    raw = Raw(lab.client, "eth", lab.lb, "wan")
    listed = [flow.client, flow.client2, "203.0.113.9", "2001:db8:9::9"]
    for number, damage in enumerate((0, 0x01010101, 0x80000000, 0)):
        before = snmp(lab.lb, "SctpChecksumErrors")
        raw.send(sctp_init(flow.client, flow.vip, 5600 + number, 80, damage=damage,
                           addresses=listed if number else ()))
        body = b""
        while body[:2] != struct.pack("!H", 5600 + number):
            body = copies.recv(2048)
            body = body[20:] if flow.version == 4 else body
        check(struct.unpack_from("!H", body, 2)[0] in PORTS, "the copy was not rewritten")
        equal(crc_is_wrong_by(body), damage, "by how much the checksum is wrong")
        kinds = [kind for kind, _ in parameters(body)]
        equal(kinds, [0x8005] * len(listed) if number else [], "the types of the parameters")
        wait_until(lambda b=before, d=damage: snmp(lab.lb, "SctpChecksumErrors") == b + bool(d),
                   "the receiver counts a wrong checksum, and only that")
    copies.close()
