# SPDX-License-Identifier: GPL-2.0
"""On a kernel that was booted without IPv6, IPv6 is refused and IPv4 is served."""

import errno
import socket

from lib import ipvs, kernel
from lib.clients import served_by, talk
from lib.genl import STEER, Error, Genl, N, destination, nest, service
from lib.ipvs import D_AF, S_ADDR, S_AF, S_FWMARK, S_PORT, S_PROTOCOL, Ipvs, u16, u32
from lib.ktap import check, each, equal, wait_until
from lib.lab import TCP4, TCP6, UDP4, UDP6
from lib.like_ip_vs import Play

BOOTED_WITH = "ipv6.disable=1"

IPV4, IPV6 = [TCP4, UDP4], [TCP6, UDP6]
PORTS = range(8001, 8003)
NOBODY = {"user": 65534, "group": 65534, "extra_groups": []}
TEXT = "this kernel runs without IPv6: boot it without ipv6.disable=1, or use an IPv4 address"


def test_there_is_no_ipv6():
    """The others would show nothing."""
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM).close()
    except OSError as refused:
        equal(refused.errno, errno.EAFNOSUPPORT, "what a process is told that asks for a socket")
        return
    check(False, "this kernel has IPv6")


def test_an_ordinary_user_in_namespaces_of_its_own(lab):
    """It may configure there, and took the kernel along by it."""
    script = "".join(f"rlvs {words} || true; " for words in (
        "dest add tcp://[2001:db8::1]:80 [2001:db8::2]:8001", "service add tcp://[::1]:80",
        "dest add tcp://[::1]:80 [::1]:8001", "dest edit tcp://[::1]:80 :8001 --method nat",
        "service add udp://[::]:53", "list"))
    done = lab.lb.run("unshare", "--user", "--map-root-user", "--net", "sh", "-c", script, **NOBODY)
    equal(done.returncode, 0, f"status; stderr: {done.stderr}")
    equal(done.stderr.count(TEXT), 5, f"refusals with the text in: {done.stderr}")
    check("::" not in done.stdout, f"something of IPv6 is listed: {done.stdout}")


def test_root(lab):
    """The tool says why, and what to change."""
    own, end = TCP6.service(80), TCP6.endpoint(TCP6.vip, 8001)
    for words in (f"service add {own}", f"dest add {own} {end}", f"service del {own}"):
        check(TEXT in lab.refused(words), f"rlvs {words}: no text that says why")


def is_unsupported(outcome, what, text):
    """The request was refused for its family."""
    check(isinstance(outcome, Error), f"{what}: granted")
    equal((outcome.errno, outcome.text), (errno.EAFNOSUPPORT, text), f"errno and text of {what}")


@each(IPV6)
def test_every_command_of_rlvs(lab, flow):
    """Those that name a service or destination of IPv6; and one of IPv6 for a service of IPv4."""
    connection = Genl(lab.lb)
    own = service(flow, 80)
    for name in ("ADD", "SET", "DEL", "ZERO", "GET"):
        is_unsupported(connection.request(N["RLVS_CMD_SERVICE_" + name], own), name, TEXT)
    four = TCP4 if flow == TCP6 else UDP4
    lab.balance(four)
    for name in ("ADD", "SET", "DEL"):
        method = None if name == "DEL" else STEER
        for of, address in ((own, None), (own, flow.loopback), (service(four, 80), flow.vip)):
            asked = destination(of, 8001, address=address, method=method)
            is_unsupported(connection.request(N["RLVS_CMD_DESTINATION_" + name], asked),
                           f"{name} of a destination", TEXT)
    listed = connection.request(N["RLVS_CMD_DESTINATION_GET"],
                                nest(N["RLVS_A_DESTINATION_SERVICE"], own), dump=True)
    is_unsupported(listed, "a list of destinations", TEXT)
    equal(list(lab.destinations(four.service(80))), list(range(8001, 8005)), "destinations")


@each(IPV6)
def test_every_command_of_ip_vs(lab, flow):
    connection = Ipvs(lab.lb)
    whole, target = ipvs.whole_service(flow), ipvs.whole_dest(flow, 8001)
    mark = {S_AF: u16(S_AF, flow.family), S_FWMARK: u32(S_FWMARK, 1)}
    for command in (ipvs.NEW_SERVICE, ipvs.SET_SERVICE, ipvs.DEL_SERVICE, ipvs.GET_SERVICE,
                    ipvs.ZERO):
        for of in (whole, {k: v for k, v in whole.items() if k not in
                           (S_PROTOCOL, S_ADDR, S_PORT)} | mark):
            is_unsupported(connection.request(command, ipvs.service(of)),
                           f"command {command}", TEXT)
    four = TCP4 if flow == TCP6 else UDP4
    lab.balance(four)
    for command in (ipvs.NEW_DEST, ipvs.SET_DEST, ipvs.DEL_DEST):
        for of in (flow, four):
            asked = ipvs.service(ipvs.identity(of)) + ipvs.dest(target)
            is_unsupported(connection.request(command, asked), f"command {command}", TEXT)
        # Without a family it is the service's: the address is read as one of IPv4 there.
        older = ipvs.dest({kind: value for kind, value in target.items() if kind != D_AF})
        is_unsupported(connection.request(command, ipvs.service(ipvs.identity(flow)) + older),
                       f"command {command} without a family", TEXT)
    listed = connection.must(ipvs.GET_DEST, ipvs.service(ipvs.identity(flow)), dump=True)
    equal(listed, [], "destinations of a service that there cannot be")
    equal(len(connection.services()), 1, "services")


STEPS = Play({"ipvsadm": [
    *(f"{words} -t [{TCP6.vip}]:80 {more}".strip() for words, more in
      (("-A", "-s rr"), ("-a", f"-r [{TCP6.vip}]:8001 -m"), ("-d", f"-r [{TCP6.vip}]:8001"),
       ("-D", ""))),
    f"-A -u {UDP4.vip}:53 -s rr",
    f"-a -u {UDP4.vip}:53 -r [{UDP6.vip}]:8001 -m",
    f"-a -u {UDP4.vip}:53 -r {UDP4.vip}:8001 -m",
    f"-e -u {UDP4.vip}:53 -r {UDP4.vip}:8001 -m -w 7",
    "-Ln",
    f"-d -u {UDP4.vip}:53 -r {UDP4.vip}:8001",
    f"-D -u {UDP4.vip}:53",
]})


def test_ipvsadm_meets_what_it_meets_with_ip_vs(lab):
    STEPS.compare(lab, "ipvsadm")


@each(IPV4)
def test_clients_of_ipv4_are_served(lab, flow):
    """Local and remote ones, by nat and by steering, on an address and on the wildcard address."""
    lab.servers.listen(flow, PORTS)
    for address in (flow.vip, flow.any):
        for balance in (lab.balance, lab.steer) if flow == TCP4 else (lab.balance,):
            balance(flow, ports="8001-8002", address=address)
            for where in (lab.client, lab.lb):
                equal(served_by(where, flow, 4), {8001: 2, 8002: 2}, "clients by port")
                with talk(where, flow) as conversation:
                    conversation.bulk(20_000)
            lab.director().flush_now()


def test_lists_and_counters(lab):
    lab.servers.listen(TCP4, PORTS)
    own = lab.balance(TCP4, ports="8001-8003")
    with talk(lab.client, TCP4) as held:
        check("8003" in lab.rlvs("list"), "the list lacks a destination")
        check(held.name[0] in lab.rlvs("conns"), "the list of connections lacks the client")
        check("connections" in lab.rlvs("counters"), "no counters")
        check(held.name[0] in lab.lb.must("ipvsadm", "-Lnc"), "ipvsadm's list lacks the client")
        for name in ("ip_vs", "ip_vs_conn", "ip_vs_stats", "ip_vs_stats_percpu"):
            check(lab.lb.read("/proc/thread-self/net/" + name), f"{name} is empty")
        # Where nobody listens, sockets are looked for at each device.
        wait_until(lambda: not lab.destinations(own)[8003]["listening"], "8003 is seen as down")
    lab.rlvs(f"service del {own} --now")
    equal(lab.conns(), [], "entries")


def test_clients_are_refused_where_nobody_listens(lab):
    lab.balance(TCP4)
    lab.balance(UDP4)
    for where in (lab.client, lab.lb):
        for flow in IPV4:
            try:
                talk(where, flow, limit=3).close()
            except ConnectionRefusedError:
                continue
            check(False, f"{flow}: not refused")


def test_only_hooks_of_ipv4(lab):
    def families():
        shown = lab.lb.must("nft", "list", "hooks")
        found, family = set(), None
        for line in shown.splitlines():
            if line.strip().startswith("family "):
                family = line.split()[1]
            elif "rlvs" in line or "defrag" in line:
                found.add(family)
        return found
    wait_until(lambda: not families(), "there are none before there is a service")
    lab.balance(TCP4)
    equal(families(), {"ip"}, "families with hooks of the module or of defragmentation")
    lab.rlvs("flush --now")
    wait_until(lambda: not families(), "the hooks are gone")


def test_the_module_goes_and_comes(lab):
    """With a service, a connection and a client that is served."""
    lab.servers.listen(TCP4, [8001])
    for _ in range(3):
        lab.balance(TCP4, ports="8001")
        held = talk(lab.client, TCP4)
        kernel.remove()
        kernel.insert()
        held.close(reset=True)
    lab.balance(TCP4, ports="8001")
    equal(served_by(lab.client, TCP4, 2), {8001: 2}, "clients afterwards")
