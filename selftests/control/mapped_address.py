# SPDX-License-Identifier: GPL-2.0
"""A service on an IPv4-mapped address is refused, since no packet has such an address."""

import errno
import socket

from lib import ipvs
from lib.ipvs import S_ADDR, Ipvs, attr, errno_of, service, whole_service
from lib.ktap import check, each, equal
from lib.lab import TCP4, TCP6, UDP4, UDP6


@each([TCP6, UDP6])
def test_refused_with_the_way_out(lab, flow):
    lab.balance(flow, ports="8001")
    mapped = f"{flow.protocol}://[::ffff:{TCP4.vip}]:80"
    for arguments in (f"service add {mapped}", f"service edit {mapped} --scheduler rr",
                      f"dest add {flow.service(80)} [::ffff:{TCP4.vip}]:8002"):
        text = lab.refused(arguments)
        check("IPv4 address" in text, f"rlvs {arguments}: the text does not say what to use: {text}")


def test_refused_to_clients_of_ip_vs(lab):
    octets = bytes(10) + b"\xff\xff" + socket.inet_aton(TCP4.vip)
    wanted = whole_service(TCP6) | {S_ADDR: attr(S_ADDR, octets)}
    outcome = Ipvs(lab.lb).request(ipvs.NEW_SERVICE, service(wanted))
    equal(errno_of(outcome), errno.EINVAL, "errno")
    equal(lab.services(), [], "services")


@each([TCP4, UDP4])
def test_a_socket_of_ipv6_reaches_the_ipv4_service(lab, flow):
    """Its packets are IPv4."""
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    for where in (lab.client, lab.lb):
        with where:
            client = socket.socket(socket.AF_INET6, flow.kind)
        with client:
            client.settimeout(10)
            client.connect((f"::ffff:{flow.vip}", 80))
            client.send(b"hello")
            line = client.recv(100)
            check(line.startswith(b"8001 "), f"what came back: {line}")
