# SPDX-License-Identifier: GPL-2.0
"""keepalived, unmodified, takes workers out and puts them back with a real configuration.

Its workers are on the host's own address, on ports of their own, or on the floating one; VRRP
gives the host the address of the services.
"""

import collections
import re
import urllib.request

from lib.clients import talk
from lib.keepalived import Keepalived, Web
from lib.ktap import check, each, equal, fewer
from lib.lab import FAMILIES, TCP4, TCP6
from lib.strace import Trace

LIMIT = 240

VIP = {4: "198.51.100.20", 6: "2001:db8:1::20"}
PORTS = (8001, 8002, 8003)
SORRY = 8009

Worker = collections.namedtuple("Worker", "port weight inhibit address",
                                defaults=(1, False, None))

# A worker that is gone refuses at once: the limits are for one that a busy machine keeps waiting.
TCP_CHECK = "TCP_CHECK {\n connect_timeout 20\n retry 0\n }"
HTTP_GET = ("HTTP_GET {\n connect_timeout 20\n retry 0\n url {\n path /\n status_code 200\n }\n }")


def vrrp():
    """The instances that give the host the addresses, which it has not itself."""
    return "".join(f"""
vrrp_instance VIP{version} {{
    state MASTER
    interface wan
    virtual_router_id {50 + version}
    priority 255
    advert_int 1
    virtual_ipaddress {{
        {address}/{32 if version == 4 else 128} dev lo
    }}
}}
""" for version, address in VIP.items())


def virtual_server(flow, workers, checker=TCP_CHECK, more=""):
    """A service of these workers."""
    real = "".join(f"""
    real_server {worker.address or flow.host} {worker.port} {{
        weight {worker.weight}
        {"inhibit_on_failure" if worker.inhibit else ""}
        {checker}
    }}""" for worker in workers)
    return f"""
virtual_server {VIP[flow.version]} 80 {{
    delay_loop 1
    lvs_sched wrr
    lvs_method NAT
    protocol TCP
    {more}
    {real}
}}
"""


def config(*servers, more=""):
    """A whole configuration."""
    # No process of its own for each step, and nobody who gets mail.
    return "global_defs {\n router_id rlvs\n " + more + "\n}\n" + vrrp() + "".join(servers)


def listed(lab, flow):
    """The weights of the service's destinations by their ports; none without the service."""
    for entry in lab.director().services():
        if (entry["address"], entry["port"]) == (VIP[flow.version], 80):
            return {d["port"]: d["weight"] for d in entry["destinations"]}
    return None


def has_address(lab, flow):
    """Whether VRRP has given the host the address."""
    return VIP[flow.version] in lab.lb.must("ip", "addr", "show", "dev", "lo")


def begin(lab, keepalived, flow, wanted):
    """Waits until the service is there."""
    keepalived.wait(lambda: has_address(lab, flow), "VRRP gives the address")
    keepalived.wait(lambda: listed(lab, flow) == wanted, f"the workers {wanted} are there")


def ask(lab, flow):
    """Who serves a new connection."""
    with talk(lab.client, flow, address=VIP[flow.version]) as conversation:
        return conversation.port


def served(lab, flow, count):
    """Who serves so many."""
    return set(ask(lab, flow) for _ in range(count))


@each(FAMILIES)
def test_workers_go_and_come_back(lab, flow):
    """One that is taken out, and one that is quiesced."""
    lab.servers.listen(flow, PORTS, flow.host)
    workers = (Worker(8001, 2), Worker(8002, 1, inhibit=True), Worker(8003))
    all_there = {8001: 2, 8002: 1, 8003: 1}
    with Keepalived(lab.lb, config(virtual_server(flow, workers))) as keepalived:
        begin(lab, keepalived, flow, all_there)
        equal(served(lab, flow, 8), set(PORTS), "who serves")
        for port, wanted in ((8001, {8002: 1, 8003: 1}), (8002, {8001: 2, 8002: 0, 8003: 1})):
            lab.servers.stop(flow, port, flow.host)
            keepalived.wait(lambda w=wanted: listed(lab, flow) == w, f"{port} is out: {wanted}")
            equal(served(lab, flow, 4), set(PORTS) - {port}, f"who serves without {port}")
            lab.servers.listen(flow, [port], flow.host)
            keepalived.wait(lambda: listed(lab, flow) == all_there, f"{port} is back")
            equal(served(lab, flow, 8), set(PORTS), f"who serves once {port} is back")
    equal(listed(lab, flow), None, "destinations once keepalived has ended")
    check(not has_address(lab, flow), "the address is still there")


@each(FAMILIES)
def test_workers_on_the_floating_address(lab, flow):
    """They are added before the address is there, and never again."""
    vip = VIP[flow.version]
    freebind = (0, 15, 1) if flow.version == 4 else (41, 78, 1)
    lab.servers.listen(flow, PORTS[:2], vip, options=[freebind])
    workers = [Worker(port, address=vip) for port in PORTS[:2]]
    with Keepalived(lab.lb, config(virtual_server(flow, workers, checker=""))) as keepalived:
        begin(lab, keepalived, flow, {8001: 1, 8002: 1})
        equal(served(lab, flow, 4), {8001, 8002}, "who serves")


@each(FAMILIES)
def test_checks_by_http(lab, flow):
    """A worker that listens and answers wrongly is out."""
    web = Web(lab.lb, flow.family)
    for port in PORTS[:2]:
        web.listen(flow.host, port)
    workers = (Worker(8001), Worker(8002, 3))

    def get():
        url = f"http://{flow.endpoint(VIP[flow.version], 80)}/"
        with lab.client, urllib.request.urlopen(url, timeout=20) as reply:
            return int(reply.read())

    try:
        with Keepalived(lab.lb, config(virtual_server(flow, workers, HTTP_GET))) as keepalived:
            begin(lab, keepalived, flow, {8001: 1, 8002: 3})
            equal({get() for _ in range(6)}, {8001, 8002}, "who serves")
            web.status[8002] = 503
            keepalived.wait(lambda: listed(lab, flow) == {8001: 1}, "8002 is out")
            equal({get() for _ in range(3)}, {8001}, "who serves")
            web.status[8002] = 200
            keepalived.wait(lambda: listed(lab, flow) == {8001: 1, 8002: 3}, "8002 is back")
    finally:
        web.close()


@each(FAMILIES)
def test_quorum_and_sorry_server(lab, flow):
    """With less than two workers nobody serves but the sorry server."""
    lab.servers.listen(flow, [*PORTS, SORRY], flow.host)
    more = f"quorum 2\n    sorry_server {flow.host} {SORRY}\n"
    text = config(virtual_server(flow, [Worker(port) for port in PORTS], more=more))
    everybody = dict.fromkeys(PORTS, 1)
    with Keepalived(lab.lb, text) as keepalived:
        begin(lab, keepalived, flow, everybody)
        lab.servers.stop(flow, 8001, flow.host)
        keepalived.wait(lambda: listed(lab, flow) == {8002: 1, 8003: 1}, "8001 is out")
        lab.servers.stop(flow, 8002, flow.host)
        keepalived.wait(lambda: set(listed(lab, flow)) == {SORRY}, "only the sorry server is there")
        equal(served(lab, flow, 2), {SORRY}, "who serves")
        lab.servers.listen(flow, [8001, 8002], flow.host)
        keepalived.wait(lambda: listed(lab, flow) == everybody, "the workers are back")
        equal(served(lab, flow, 6), set(PORTS), "who serves")


@each(FAMILIES)
def test_reload_breaks_no_connection(lab, flow):
    """Those of workers that stay, that get another weight and that are taken out of the file."""
    lab.servers.listen(flow, PORTS, flow.host)
    before = virtual_server(flow, [Worker(8001), Worker(8002)])
    after = virtual_server(flow, [Worker(8001, 5), Worker(8003)])
    with Keepalived(lab.lb, config(before)) as keepalived:
        begin(lab, keepalived, flow, {8001: 1, 8002: 1})
        held = [talk(lab.client, flow, address=VIP[flow.version]) for _ in range(4)]
        equal({one.port for one in held}, {8001, 8002}, "the workers that have connections")
        for text, wanted in ((after, {8001: 5, 8003: 1}), (before, {8001: 1, 8002: 1})) * fewer(
                2, 1):
            keepalived.reload(config(text))

            def reloaded(wanted=wanted):
                # Meanwhile everybody is served, old and new.
                for one in held:
                    one.say(b"still there?")
                check(ask(lab, flow) in PORTS, "nobody serves a new connection")
                return listed(lab, flow) == wanted

            keepalived.wait(reloaded, f"the workers are {wanted}")
        for one in held:
            one.bulk(20_000)
            one.close()


def test_timeouts(lab):
    """It sets them, and puts back what was there."""
    def timeouts():
        return re.findall(r"\d+", lab.lb.must("ipvsadm", "-L", "--timeout"))

    before = timeouts()
    text = config(virtual_server(TCP4, [Worker(8001)]), more="lvs_timeouts tcp 700 tcpfin 70 udp 7")
    with Keepalived(lab.lb, text) as keepalived:
        keepalived.wait(lambda: timeouts() == ["700", "70", "7"], "the timeouts are set")
    equal(timeouts(), before, "the timeouts once keepalived has ended")


def test_no_other_way_than_the_family(lab):
    """Its system calls: netlink messages of the family, and none of the old socket options."""
    lab.servers.listen(TCP4, PORTS, TCP4.host)
    lab.servers.listen(TCP6, PORTS, TCP6.host)
    workers = [Worker(port) for port in PORTS]
    text = config(virtual_server(TCP4, workers), virtual_server(TCP6, workers))
    with Trace() as trace:
        with Keepalived(lab.lb, text, trace.words) as keepalived:
            for flow in (TCP4, TCP6):
                begin(lab, keepalived, flow, dict.fromkeys(PORTS, 1))
        trace.only_the_family(lab.lb)
