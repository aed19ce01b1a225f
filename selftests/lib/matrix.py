# SPDX-License-Identifier: GPL-2.0
"""Every flow, for every kind of client, over every setting of a link's offloads.

A third host behind the client's makes checksums visible that a sender left to its
device: the client's host forwards to it over a link that has no offloads, so what lb
left unfinished is finished there, from what lb wrote into the packet. lb's own end of
the link is captured too: it shows what lb left to its device.

    distant --- veth, no offloads --- client (forwards) --- the link under test --- lb
"""

import collections
import contextlib
import itertools
import os
import socket

from lib import kernel
from lib.capture import Capture, fields, judge_checksums
from lib.clients import talk
from lib.ktap import check, equal, fewer, wait_until
from lib.lab import FLOWS, SCTP, DistantLab

SUMMING = ("tx", "rx")
CUTTING = ("tso", "gso", "gro")
COMPLETE = "net.ipv4.vs.csum_complete"
ALL = FLOWS + SCTP
MTU = 9000  # a frame costs tshark in an emulated guest a millisecond
UDP_SEGMENT = 103  # the socket option that makes one large packet of many datagrams
DATAGRAM, BATCH = 8000, 8
FIRST_PORT, PORTS = 20000, 100  # the client ports of a case

Settings = collections.namedtuple("Settings", "checksums segments complete")
EVERY = [Settings(*values) for values in itertools.product((True, False), (True, False), (0, 1))]


def make_lab(kind=DistantLab):
    """Makes the lab with the third host, whose link has no offloads."""
    kernel.need("sctp")
    lab = kind()
    for host, device in ((lab.distant, "eth"), (lab.client, "far")):
        offload(host, device, SUMMING + CUTTING, False)
        host.ip(f"link set {device} mtu {MTU}")
    for host, device in ends(lab):
        host.ip(f"link set {device} mtu {MTU}")
    return lab


def ends(lab):
    """Returns both ends of the link under test."""
    return (lab.lb, "wan"), (lab.client, "eth")


def offload(host, device, features, on):
    """Switches features of a device."""
    value = "on" if on else "off"
    host.must("ethtool", "-K", device, *(word for name in features for word in (name, value)))


@contextlib.contextmanager
def setting(lab, settings):
    """Sets up the link and lb as the settings say."""
    for host, device in ends(lab):
        offload(host, device, getattr(lab, "summing", SUMMING), settings.checksums)
        # Without checksum offload there is no tso, whatever is asked for.
        offload(host, device, CUTTING if settings.checksums else CUTTING[1:], settings.segments)
    lab.lb.sysctl(COMPLETE, settings.complete)
    try:
        yield
    finally:
        lab.lb.sysctl(COMPLETE, 0)


def size():
    """Returns the bytes of each bulk stream over the wire, both ways."""
    return 100_000_000 if os.environ.get("FULL") else fewer(300_000, 100_000)


def bulk(conversation, amount):
    """Sends random data, which has to come back as it was sent: a stream, or datagrams."""
    if conversation.flow.protocol != "udp":
        conversation.bulk(amount)
        return
    conversation.bulk()
    conversation.sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, DATAGRAM)
    for _ in range(max(1, amount // (DATAGRAM * BATCH))):
        data = os.urandom(DATAGRAM * BATCH)
        conversation.sock.send(data)
        answers = [conversation.sock.recv(65536).partition(b"\n")[2] for _ in range(BATCH)]
        equal(sorted(answers),
              sorted(data[at:at + DATAGRAM] for at in range(0, len(data), DATAGRAM)),
              "datagrams that came back")


def converse(lab, port):
    """Converses by every flow: from behind the wire, from its other end, and from lb itself.
    Clients have the ports from this one on."""
    for flow in ALL:
        lab.servers.listen(flow, [8001])
        lab.balance(flow, ports="8001")
        for where, amount, source in ((lab.distant, size(), DistantLab.address[flow.version]),
                                      (lab.client, size() // 10, flow.client),
                                      (lab.lb, size() // 10, flow.host)):
            with talk(where, flow, source=source, source_port=port) as conversation:
                bulk(conversation, amount)
            port += 1


def part(lab):
    """Waits until the last packets of SCTP's farewells are through: when the service goes before,
    they have the port of the process."""
    def associations():
        return lab.lb.read("/proc/thread-self/net/sctp/assocs").splitlines()[1:]

    wait_until(lambda: not associations(), lambda: f"associations are over: {associations()}")


def run(lab):
    """Runs the whole matrix. One capture at each end holds all cases, told apart by their ports."""
    addresses = " or ".join(f"host {address}" for address in DistantLab.address.values())
    with Capture(lab.distant, "eth", "tcp or udp or sctp") as wire, \
            Capture(lab.lb, "wan", f"({addresses}) and (tcp or udp or sctp)") as own:
        for number, settings in enumerate(EVERY):
            with setting(lab, settings):
                converse(lab, FIRST_PORT + number * PORTS)
            part(lab)
            lab.reset()
    verdicts = judge_checksums(wire.path)
    if any(verdict == "bad" for *_, verdict in verdicts):
        show_bad(wire.path)
    wire, own = by_case(verdicts), by_case(judge_checksums(own.path))
    for number, settings in enumerate(EVERY):
        for flow in ALL:
            judge_wire(flow, settings, wire[number, str(flow)])
            judge_own_end(flow, settings, own[number, str(flow)])
    equal({name for number, name in wire if number is None}, {"ip4"},
          "packets on the wire that do not belong to port 80")


def show_bad(path):
    """Prints the packets of a capture whose checksums are wrong, to see what they are."""
    names = ["frame.number", "frame.time_relative", "frame.len", "ipv6.hlim", "tcp.srcport",
             "tcp.dstport", "tcp.flags.str", "tcp.seq_raw", "tcp.ack_raw", "tcp.len",
             "tcp.checksum", "tcp.checksum_calculated", "udp.srcport", "udp.dstport"]
    wrong = " or ".join(f"{protocol}.checksum.status == 0" for protocol in ("tcp", "udp", "sctp"))
    for row in fields(path, *names, only=wrong):
        print(f"    # wrong: {dict(zip(names, row, strict=True))}", flush=True)


def by_case(verdicts):
    """Returns what lb sent and received in each case and flow, by what tshark finds of it."""
    found = collections.defaultdict(collections.Counter)
    for (name, source, target, verdict), count in verdicts.items():
        sent = source == 80
        client = target if sent else source
        number = (client - FIRST_PORT) // PORTS if 80 in (source, target) else None
        found[number, name]["sent" if sent else "received", verdict] += count
    return found


def judge_wire(flow, settings, seen):
    """Checks that all checksums are right where they have gone over a wire."""
    equal({verdict for _, verdict in seen}, {"good"},
          f"{flow}, {settings}: what tshark thinks of the checksums on the wire ({dict(seen)})")
    check(min(seen["sent", "good"], seen["received", "good"]) >= 8,
          f"{flow}, {settings}: too little on the wire: {dict(seen)}")


def judge_own_end(flow, settings, seen):
    """Checks that lb sends checksums where they are not left to the device, and only there."""
    what = f"{flow}, {settings}: lb's own end of the link: {dict(seen)}"
    # What GRO has put together, the kernel gives a partial checksum.
    check(seen["received", "good"] >= 4 and (settings.segments or not seen["received", "bad"]),
          what)
    if not settings.checksums or settings.complete:
        check(seen["sent", "good"] >= 4 and not seen["sent", "bad"], what)
    elif flow.protocol != "sctp":  # which not every device sums
        check(seen["sent", "bad"] >= 4, what)
