# SPDX-License-Identifier: GPL-2.0
"""A service may be added before its address, and for addresses of routes and rules alone."""

import contextlib
import socket

from lib import genl, ipvs
from lib.clients import served_by
from lib.genl import Error, N
from lib.ktap import check, each, equal, in_time, wait_until
from lib.lab import FAMILIES, FLOWS, TCP4, TCP6, UDP6

LATER = {4: "198.51.100.40", 6: "2001:db8:1::40"}
FREEBIND = {4: (socket.IPPROTO_IP, 15, 1), 6: (socket.IPPROTO_IPV6, 78, 1)}


def listen(lab, flow, *ports):
    """Processes that are there before the address is."""
    lab.servers.listen(flow, ports, address=LATER[flow.version], options=[FREEBIND[flow.version]])


@contextlib.contextmanager
def address(lab, flow):
    """lb has the address."""
    at = LATER[flow.version] + ("/32 dev lo" if flow.version == 4 else "/128 dev lo nodad")
    lab.lb.ip(f"addr add {at}")
    try:
        yield
    finally:
        lab.lb.ip(f"addr del {at}")


def both_serve(lab, flow):
    """Every worker serves clients here and elsewhere."""
    for where in (lab.client, lab.lb):
        who = served_by(where, flow, 4, address=LATER[flow.version])
        equal(who, {8001: 2, 8002: 2}, "who serves once the address is here")


@each(FLOWS)
def test_with_rlvs(lab, flow):
    listen(lab, flow, 8001, 8002)
    lab.balance(flow, ports="8001-8002", address=LATER[flow.version])
    with address(lab, flow):
        both_serve(lab, flow)


@each(FAMILIES)
def test_with_ipvsadm(lab, flow):
    """As keepalived does it. What ip_vs would forward to another host is refused."""
    listen(lab, flow, 8001, 8002)
    own = flow.endpoint(LATER[flow.version], 80)
    real = "-a -t {} -r {} -m"
    lines = [f"-A -t {own} -s rr"]
    lines += [real.format(own, flow.endpoint(LATER[flow.version], p)) for p in (8001, 8002)]
    for line in lines:
        lab.lb.must("ipvsadm", *line.split())
    far = flow.endpoint("203.0.113.9" if flow.version == 4 else "2001:db8:9::9", 80)
    done = lab.lb.run("ipvsadm", *real.format(own, far).split())
    check(done.returncode != 0, "a real server on another host was taken")
    with address(lab, flow):
        both_serve(lab, flow)


@each([TCP6])
def test_a_tentative_address(lab, flow):
    """It is taken, by both families, and serves once duplicate address detection is done."""
    lab.lb.sysctl("net.ipv6.conf.wan.accept_dad", 1)
    lab.lb.sysctl("net.ipv6.conf.wan.dad_transmits", 2)
    tentative = "2001:db8:1::41"
    director, family = lab.director(), ipvs.Ipvs(lab.lb)
    service = flow.service(80)
    director.must(N["RLVS_CMD_SERVICE_ADD"], genl.service(flow, 80, scheduler="rr"))
    try:
        lab.lb.ip(f"addr add {tentative}/128 dev wan")
        director.must(N["RLVS_CMD_DESTINATION_ADD"],
                      genl.destination(genl.service(flow, 80), 8001, address=tentative))
        whole = ipvs.service(ipvs.identity(flow)) + ipvs.dest(
            ipvs.whole_dest(flow, 8002, tentative))
        outcome = family.request(ipvs.NEW_DEST, whole)
        check(not isinstance(outcome, Error), f"the family IPVS: {outcome}")
        here = [d["here"] for d in lab.find(service)["destinations"]]
        in_time("tentative" in lab.lb.must("ip", "addr", "show", "to", tentative, "dev", "wan"),
                "duplicate address detection was done before the look")
        equal(here, [False, False], "here")
        lab.servers.listen(flow, [8001, 8002], address=tentative,
                           options=[FREEBIND[flow.version]])
        wait_until(lambda: all(d["here"] for d in lab.find(service)["destinations"]),
                   "duplicate address detection is done")
        for where in (lab.client, lab.lb):
            equal(served_by(where, flow, 4), {8001: 2, 8002: 2}, "who serves then")
    finally:
        lab.lb.ip(f"addr del {tentative}/128 dev wan")
        lab.lb.sysctl("net.ipv6.conf.wan.accept_dad", 0)


@each(FLOWS)
def test_a_prefix_that_is_routed_here(lab, flow):
    """AnyIP: no device has the address."""
    route = f"route add local {LATER[flow.version]} dev lo"
    listen(lab, flow, 8001, 8002)
    service = lab.balance(flow, ports="8001-8002", address=LATER[flow.version])
    lab.lb.ip(route)
    try:
        both_serve(lab, flow)
        equal([d["here"] for d in lab.find(service)["destinations"]], [True, True], "here")
    finally:
        lab.lb.ip(route.replace("add", "del"))


@each([TCP4, UDP6])
def test_a_rule_and_a_mark(lab, flow):
    """Only marked packets are routed here: transparent LVS. The mark is set before the hooks of
    this module, or after them: then it is enough that there is the rule."""
    family = "-4" if flow.version == 4 else "-6"
    net = "ip" if flow.version == 4 else "ip6"
    later = LATER[flow.version]
    lab.servers.listen(flow, [8001, 8002], address=flow.host)
    service = flow.service(80, later)
    lab.lb.must("ip", family, "rule", "add", "fwmark", "1", "lookup", "100")
    lab.lb.must("ip", family, "route", "add", "local", "default", "dev", "lo", "table", "100")
    try:
        lab.rlvs(f"service add {service} --scheduler rr")
        for port in (8001, 8002):
            lab.rlvs(f"dest add {service} {flow.endpoint(flow.host, port)} --method nat")
        equal(lab.find(service)["here"], True, "here")
        for priority in (-300, -150):
            rule = (f"table {net} marks {{ chain in {{ type filter hook prerouting priority "
                    f"{priority}; {net} daddr {later} meta mark set 1; }}; }}")
            equal(lab.lb.run("nft", "-f", "-", input=rule).stderr, "", "nft")
            equal(served_by(lab.client, flow, 4, address=later), {8001: 2, 8002: 2},
                  f"who serves with the mark set at {priority}")
            lab.lb.must("nft", "flush", "ruleset")
    finally:
        lab.lb.must("nft", "flush", "ruleset")
        lab.lb.must("ip", family, "rule", "del", "fwmark", "1", "lookup", "100")
        lab.lb.must("ip", family, "route", "flush", "table", "100")
