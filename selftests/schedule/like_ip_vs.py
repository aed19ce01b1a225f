# SPDX-License-Identifier: GPL-2.0
"""sh, dh and mh choose for each flow the destination that ip_vs chooses.

Each setup of a scheduler has a service of its own, with five destinations of different weights,
one of them quiesced, that are added by the same commands. A flow is one datagram with a number
in it; the socket that it arrives at tells the choice, and its absence that it was refused.
"""

import array
import os
import random
import socket
import struct

from lib import kernel
from lib.genl import N, attr, destination, service
from lib.ktap import check, equal, fewer
from lib.lab import UDP4, UDP6, Lab
from lib.like_ip_vs import load_ip_vs, unload_ip_vs
from lib.packets import datagram, link_address

WITHOUT_MODULE = True
LIMIT = 3600 if os.environ.get("FULL") else 240
PLAIN_ONLY = "schedule/schedulers runs the same code"

PORT, FALLBACK = 0x10, 0x08
NAMES = {PORT: "port", FALLBACK: "fallback"}
# The scheduler and its flags. The service's port is 100 plus the place, and its destinations are
# on ports 10 times that.
SETUPS = [(scheduler, flags) for scheduler in ("sh", "mh")
          for flags in (0, PORT, FALLBACK, PORT | FALLBACK)]
WEIGHTS = (3, 1, 2, 7, 1)  # in the order in which they are added
QUIESCED = 2  # which of them has weight 0 in the end
WORDS = 23  # 16-bit words of a frame: Ethernet 7, IPv4 10, UDP 4, a number 2
ID, HIGH, LOW, SOURCE, NUMBER = 9, 13, 14, 17, 21  # the words that differ
BURST = 200  # frames that fit into every queue on the way
VIPS = [f"198.51.100.{last}" for last in range(128, 192)]  # for dh


def flows():
    """How many for each setup."""
    if os.environ.get("FULL"):
        return 1_000_000 // len(SETUPS)
    return fewer(20_000 // len(SETUPS), 300)


def name(number):
    """What a setup is called."""
    scheduler, flags = SETUPS[number]
    return " ".join([scheduler, *(f"{scheduler}-{NAMES[bit]}" for bit in NAMES if flags & bit)])


class Sender:
    """Datagrams from many addresses, sent past the client's own stack."""

    def __init__(self, lab):
        self._sock = None
        with lab.client:
            self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._sock.bind(("eth", 0))
        self._link = link_address(lab.lb, "wan") + link_address(lab.client, "eth")
        frame = self._link + struct.pack("!H", 0x0800)
        # Without a checksum, and with a sum of the header that any address can be brought to.
        frame += datagram("10.0.0.0", UDP4.vip, 0, 0, b"\0" * 4, checksum=0)
        self._frame = array.array("H", frame)

    def send4(self, source, source_port, port, number):
        """A datagram of IPv4 to a port of the VIP; `source` is below 2^24, in 10.0.0.0/8."""
        frame = self._frame[:]
        words = array.array("H", struct.pack("!IHHI", 10 << 24 | source, source_port, port, number))
        before = frame[ID] + frame[HIGH] + frame[LOW]
        frame[HIGH:HIGH + 2] = words[:2]
        frame[ID] = (before - words[0] - words[1]) % 65535
        frame[SOURCE:SOURCE + 2] = words[2:4]
        frame[NUMBER:NUMBER + 2] = words[4:6]
        self._sock.send(frame)

    def send(self, packet):
        """A packet as it is."""
        kind = 0x86DD if packet[0] >> 4 == 6 else 0x0800
        self._sock.send(self._link + struct.pack("!H", kind) + packet)


class Receivers:
    """Sockets on the destinations' ports, and what has arrived at them."""

    def __init__(self, lab, family):
        self._sockets = {}
        with lab.lb:
            for setup in range(len(SETUPS)):
                for place in range(len(WEIGHTS)):
                    sock = socket.socket(family, socket.SOCK_DGRAM)
                    sock.bind(("", 10 * (100 + setup) + place))
                    sock.setblocking(False)
                    self._sockets[setup, place] = sock

    def collect(self, into):
        """Notes for each number of a datagram the place of the destination that got it."""
        for (setup, place), sock in self._sockets.items():
            while True:
                try:
                    data = sock.recv(64)
                except BlockingIOError:
                    break
                number = struct.unpack_from("!I", data)[0]
                check((setup, number) not in into, f"datagram {number} arrived twice")
                into[setup, number] = place

    def close(self):
        """Closes the sockets."""
        for sock in self._sockets.values():
            sock.close()


class IpVs:
    """ip_vs, told by ipvsadm."""

    def __init__(self, lab):
        self._lab = lab
        load_ip_vs("sh", "mh", "dh")
        self._lines = []

    def add(self, flow, port, scheduler, flags, address=None):
        """A service with its destinations, one of which is then quiesced."""
        address = address or flow.vip
        at = flow.endpoint(address, port)
        line = f"-A -u {at} -s {scheduler}"
        if flags:
            line += " -b " + ",".join(f"{scheduler}-{NAMES[bit]}" for bit in NAMES if flags & bit)
        self._lines.append(line)
        for place, weight in enumerate(WEIGHTS):
            end = flow.endpoint(address, 10 * port + place)
            self._lines.append(f"-a -u {at} -r {end} -m -w {weight}")
        end = flow.endpoint(address, 10 * port + QUIESCED)
        self._lines.append(f"-e -u {at} -r {end} -m -w 0")

    def commit(self):
        """Carries out what was asked for, by one process: starting one takes most of the time."""
        self._lab.lb.must("ipvsadm", "-R", input="\n".join(self._lines) + "\n")

    def close(self):
        """Unloads it."""
        unload_ip_vs(self._lab)


class Rlvs:
    """rlvs, told by netlink."""

    def __init__(self, lab):
        self._lab = lab
        kernel.insert()
        self._director = lab.director()

    def add(self, flow, port, scheduler, flags, address=None):
        """As IpVs.add()."""
        own = service(flow, port, address)
        self._director.must(
            N["RLVS_CMD_SERVICE_ADD"], service(flow, port, address, scheduler=scheduler)
            + attr(N["RLVS_A_SERVICE_FLAGS"], struct.pack("=I", flags)))
        for place, weight in enumerate(WEIGHTS):
            self._director.must(N["RLVS_CMD_DESTINATION_ADD"],
                                destination(own, 10 * port + place, weight=weight))
        self._director.must(N["RLVS_CMD_DESTINATION_SET"],
                            destination(own, 10 * port + QUIESCED, weight=0))

    def commit(self):
        """Nothing is left to do."""

    def close(self):
        """Unloads it."""
        self._director.flush_now()
        self._director = None
        kernel.remove()


def choices(lab, make, family, add, send):
    """What a balancer chooses: by setup and number of the flow the place of the destination."""
    receivers = Receivers(lab, family)
    balancer = make(lab)
    try:
        add(balancer)
        balancer.commit()
        found = {}
        for count in send():
            if count % BURST == 0:
                receivers.collect(found)
        receivers.collect(found)
        return found
    finally:
        balancer.close()
        receivers.close()


def compare(family, add, send, count, label):
    """The choices of both are the same, for `count` flows of each setup."""
    lab = Lab()
    lab.lb.ip("route replace 10.0.0.0/8 via 192.0.2.100",
              "route add local 198.51.100.128/26 dev lo",
              "route add 2001:db8:a::/48 via 2001:db8::100")
    sender = Sender(lab)
    ip_vs, rlvs = (choices(lab, make, family, add, lambda: send(sender)) for make in (IpVs, Rlvs))
    differ = [(label(setup), number, ip_vs.get((setup, number)), rlvs.get((setup, number)))
              for setup in range(len(SETUPS)) for number in range(count)
              if ip_vs.get((setup, number)) != rlvs.get((setup, number))]
    equal(differ[:5], [], f"the first of {len(differ)} choices that differ: ip_vs's and rlvs's")
    return ip_vs


def port(draw):
    """A client's port. ip_vs schedules nothing from that of FTP's data, of whatever protocol."""
    number = draw.randrange(1, 65536)
    return number if number != 20 else 21


def test_flows_of_ipv4():
    count = flows()
    draw = random.Random(1)
    clients = [(draw.randrange(1 << 24), port(draw)) for _ in range(count)]

    def send(sender):
        sent = 0
        for setup in range(len(SETUPS)):
            for number, (source, source_port) in enumerate(clients):
                sender.send4(source, source_port, 100 + setup, number)
                sent += 1
                yield sent

    def add(balancer):
        for setup, (scheduler, flags) in enumerate(SETUPS):
            balancer.add(UDP4, 100 + setup, scheduler, flags)

    chosen = compare(socket.AF_INET, add, send, count, name)
    for setup, (scheduler, flags) in enumerate(SETUPS):
        arrived = [place for (at, _), place in chosen.items() if at == setup]
        check(QUIESCED not in arrived, f"{name(setup)}: the quiesced destination got something")
        equal(sorted(set(arrived)), [0, 1, 3, 4], f"{name(setup)}: the destinations chosen")
        # The quiesced one keeps its slots in mh's table and one in 13 of sh's: 2/14 and 1/13.
        if flags & FALLBACK:
            equal(len(arrived), count, f"{name(setup)}: flows that arrive")
        else:
            share = 2 / 14 if scheduler == "mh" else 1 / 13
            refused = count - len(arrived)
            check(share / 2 < refused / count < share * 2, f"{name(setup)}: {refused} refused")
    print(f"    # {count} flows for each of {len(SETUPS)} setups", flush=True)


def test_flows_of_ipv6():
    count = fewer(100, 30)
    draw = random.Random(2)
    clients = [(f"2001:db8:a:{draw.randrange(65536):x}::{draw.randrange(1, 65536):x}",
                port(draw)) for _ in range(count)]

    def send(sender):
        sent = 0
        for setup in range(len(SETUPS)):
            for number, (source, source_port) in enumerate(clients):
                sender.send(datagram(source, UDP6.vip, source_port, 100 + setup,
                                     struct.pack("!I", number)))
                sent += 1
                yield sent

    def add(balancer):
        for setup, (scheduler, flags) in enumerate(SETUPS):
            balancer.add(UDP6, 100 + setup, scheduler, flags)

    chosen = compare(socket.AF_INET6, add, send, count, name)
    check(len(chosen) > count * len(SETUPS) // 2, f"only {len(chosen)} flows arrived")


def test_addresses_of_the_service():
    """dh: the choice depends on the address that the client has sent to."""
    count = len(VIPS)

    def send(sender):
        for number, vip in enumerate(VIPS):
            sender.send(datagram("192.0.2.100", vip, 40000, 100, struct.pack("!I", number)))
            yield number

    def add(balancer):
        for vip in VIPS:
            balancer.add(UDP4, 100, "dh", 0, vip)

    chosen = compare(socket.AF_INET, add, send, count, lambda _: "dh")
    equal(sorted(set(chosen.values())), [0, 1, 3, 4], "the destinations that are chosen")
    check(len(chosen) < count, "the quiesced destination's addresses were not refused")


def test_rlvs_is_back():
    """For the tests after this one."""
    if not kernel.loaded():
        kernel.insert()
    equal(Lab().services(), [], "services")
