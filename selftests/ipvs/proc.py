# SPDX-License-Identifier: GPL-2.0
"""/proc/net/ip_vs* are byte for byte what ip_vs shows of the same services and traffic.

Steered connections have no entry, and so no line there.
"""

import os
import re
import socket
import time

from lib import kernel
from lib.clients import talk
from lib.genl import N, destination, service
from lib.ktap import check, each, equal, seconds, wait_until
from lib.lab import FAMILIES, SCTP4, TCP4, TCP6, UDP4, UDP6
from lib.like_ip_vs import Play, without_size
from lib.netns import Namespace

LIMIT = 300

NET = "/proc/thread-self/net/"
FILES = ("ip_vs", "ip_vs_conn", "ip_vs_conn_sync", "ip_vs_stats", "ip_vs_stats_percpu")
V4, V6 = TCP4.vip, f"[{TCP6.vip}]"
NUMBER = re.compile(r" *\b[0-9A-F]+$| *\b[0-9A-F]+(?= )")
held = []


def hold(lab):
    """A connection of each kind, and one that its client has closed."""
    for flow in (TCP4, TCP6, UDP4, UDP6):
        lab.servers.listen(flow, [8001])
        held.append(talk(lab.client, flow))
        held.append(talk(lab.client, flow, 81))
    talk(lab.client, TCP4).close()
    wait_until(lambda: "TIME_WAIT" in lab.lb.read(NET + "ip_vs_conn"), "the client has closed")


def release(_lab):
    """Lets them go."""
    while held:
        held.pop().close()


def datagrams(lab):
    """Traffic of which every packet is known. ip_vs counts it when it makes the next rates."""
    for flow in (UDP4, UDP6):
        lab.servers.listen(flow, [8001])
        with talk(lab.client, flow) as conversation:
            for size in (0, 1, 100, 1000):
                conversation.say(b"x" * size)

    def counted():
        row = lab.lb.read(NET + "ip_vs_stats").splitlines()[2]
        return row.split()[:3] == ["2", "A", "A"]
    wait_until(counted, "two connections and ten packets each way are counted", 20)
    wait_until(lambda: lab.lb.must("ipvsadm", "-Ln", "--stats").split().count("5") == 8,
               "each service and destination has five", 20)


SETUP = [f"-A {kind} {vip}:{port} -s rr{rest}" for kind in ("-t", "-u") for vip in (V4, V6)
         for port, rest in ((80, ""), (81, " -p 100"))]
SETUP += [f"-a {kind} {vip}:{port} -r {vip}:8001 -m" for kind in ("-t", "-u") for vip in (V4, V6)
          for port in (80, 81)]

GROUPS = {
    "nothing": [NET + name for name in FILES],
    "services": [
        f"-A -t {V4}:80 -s rr",
        f"-A -u {V4}:80 -s wlc -o",
        f"-A -u {V6}:80 -s wlc -o",
        f"-A --sctp-service {V4}:80 -s sh -b sh-port",
        f"-A --sctp-service {V6}:65535 -s lblcr",
        f"-A -t {V4}:81 -s rr -p 100",
        f"-A -t {V4}:82 -s rr -p 360 -M 255.255.240.0",
        f"-A -t {V6}:81 -s rr -p 86400",
        f"-A -t {V6}:82 -s rr -p 1 -M 64",
        f"-A -u {V4}:83 -s rr",
        f"-a -t {V4}:80 -r {V4}:8001 -m",
        f"-a -t {V4}:80 -r {V4}:8002 -m -w 65535 -x 10 -y 5",
        f"-a -t {V6}:81 -r {V6}:8001 -m -w 0",
        f"-a -u {V4}:83 -r {V4}:8003 -m",
        NET + "ip_vs",
        f"-d -t {V4}:80 -r {V4}:8001",
        f"-E -t {V4}:81 -s wlc",
        NET + "ip_vs"],
    "connections": [*SETUP, hold, NET + "ip_vs_conn", NET + "ip_vs_conn_sync", NET + "ip_vs",
                    "-Lnc", "-Ln", "-Ln --persistent-conn", release],
    "counters": ["-Z", f"-A -u {V4}:80 -s rr", f"-A -u {V6}:80 -s rr",
                 f"-a -u {V4}:80 -r {V4}:8001 -m", f"-a -u {V6}:80 -r {V6}:8001 -m", datagrams,
                 NET + "ip_vs_stats", NET + "ip_vs_stats_percpu", "-Ln --stats",
                 "-Ln --stats --exact", f"-Z -u {V4}:80", NET + "ip_vs_stats", "-Ln --stats",
                 f"-D -u {V6}:80", NET + "ip_vs_stats", "-Z", NET + "ip_vs_stats",
                 "-Ln --stats"],
}


def blank(text):
    """Numbers as wide as they are."""
    return NUMBER.sub(lambda match: "#" * len(match[0]), text)


def mask(text):
    """Order, times, rates and the client's ports are not the same twice."""
    text = without_size(text)
    lines = text.splitlines(keepends=True)
    if text.startswith("IP Virtual Server") and "Prot LocalAddress:Port Scheduler Flags\n" in text:
        header, *services = re.split(r"(?m)^(?=[A-Z]+ +[\[0-9A-F])", text)
        blocks = [block.splitlines(keepends=True) for block in services]
        return header + "".join(sorted("".join([one[0], *sorted(one[1:])]) for one in blocks))
    if text.startswith("Pro FromIP"):
        shown = [re.sub(r"^(\S+ +\S+) (?!0000)[0-9A-F]{4} ", r"\1 PORT ",
                        re.sub(r" *\d+$", lambda m: "#" * len(m[0]), line.rstrip("\n"))) + "\n"
                 for line in lines[1:]]
        return lines[0] + "".join(sorted(shown))
    if text.startswith("IPVS connection entries"):
        shown = [re.sub(r" \d\d:\d\d ", " MM:SS ", re.sub(r":\d{5} +", ":PORT ", line))
                 for line in lines[2:]]
        return "".join(lines[:2]) + "".join(sorted(shown))
    if "Conns/s" in text:
        # The rows of CPUs depend on which CPU it was, their sum does not.
        totals = {2} if "CPU" not in text else ()
        return "".join(blank(line) if re.match(" *[0-9A-F]+ ", line) and place not in totals
                       else line for place, line in enumerate(lines))
    return text


PLAY = Play(GROUPS, mask, [NET + "ip_vs_conn", NET + "ip_vs_conn_sync"])


@each(GROUPS)
def test_as_ip_vs_shows_it(lab, name):
    PLAY.of_ip_vs(lab, name)
    # The rows of CPUs count from here on.
    kernel.remove()
    kernel.insert()
    PLAY.compare(lab, name)


def rows(lab, name="ip_vs_conn"):
    """The fields of each line below the header."""
    return [line.split() for line in lab.lb.read(NET + name).splitlines()[1:]]


@each(FAMILIES)
def test_times(lab, flow):
    """Seconds that are left, of a connection and of the template that led it."""
    lab.servers.listen(flow, [8001])
    name = lab.balance(flow, ports="8001")
    lab.rlvs(f"service edit {name} --persistent 100")
    with talk(lab.client, flow):
        left = {row[7]: int(row[8]) for row in rows(lab)}
        equal(set(left), {"ESTABLISHED", "ASSURED"}, "the states")
        for state, wanted in (("ESTABLISHED", 900), ("ASSURED", 100)):
            check(wanted - seconds(5) < left[state] <= wanted,
                  f"{state}: {left[state]} seconds left")


def test_sctp(lab):
    """States of associations have the names that ip_vs gives them."""
    kernel.need("sctp")
    lab.servers.listen(SCTP4, [8001])
    lab.balance(SCTP4, ports="8001")
    with talk(lab.client, SCTP4):
        equal([row[7] for row in rows(lab) if row[0] == "SCTP"], ["ESTABLISHED"], "the entry")


def test_cpus_add_up(lab):
    """What the CPUs have counted is what was counted in all."""
    lab.servers.listen(UDP4, [8001])
    kernel.remove()
    kernel.insert()
    lab.balance(UDP4, ports="8001")
    with talk(lab.client, UDP4) as conversation:
        for _ in range(10):
            conversation.say(b"hello")
    found = [line.split() for line in lab.lb.read(NET + "ip_vs_stats_percpu").splitlines()]
    cpus = [[int(word, 16) for word in row[1:]] for row in found[2:2 + os.cpu_count()]]
    total = [int(word, 16) for word in found[2 + os.cpu_count()][1:]]
    equal([sum(column) for column in zip(*cpus, strict=True)], total, "the sum of the CPUs")
    equal(total[:3], [1, 11, 11], "connections and packets")


def test_rates_come_and_go(lab):
    """They are the averages of the last seconds."""
    kernel.remove()
    kernel.insert()
    lab.servers.listen(UDP4, [8001])
    lab.balance(UDP4, ports="8001")

    def rate():
        return int(lab.lb.read(NET + "ip_vs_stats").splitlines()[5].split()[1], 16)

    equal(rate(), 0, "packets a second before any came")
    with talk(lab.client, UDP4) as conversation:
        begun, sent = time.monotonic(), 0

        def is_right():
            nonlocal sent
            for _ in range(10):
                conversation.say(b"hello")
                time.sleep(0.01)
            sent += 10
            return 0.6 < rate() * (time.monotonic() - begun) / sent < 1.5
        wait_until(is_right, lambda: f"{rate()} packets a second, {sent} were sent", 30)
    before = rate()
    wait_until(lambda: rate() < before / 3, lambda: f"{rate()} packets a second, from {before}", 30)


def read_in_steps(lab, name, size):
    """A file by reads of so many bytes."""
    with lab.lb:
        fd = os.open(NET + name, os.O_RDONLY)
    try:
        parts = iter(lambda: os.read(fd, size), b"")
        return b"".join(parts).decode("ascii")
    finally:
        os.close(fd)


@each((UDP4, UDP6))
def test_many_connections(lab, flow):
    """None is lost and none shown twice, however the reader cuts the file."""
    count = 600
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    socks = []
    for _ in range(count):
        with lab.client:
            socks.append(flow.socket())
        socks[-1].connect((flow.vip, 80))
        socks[-1].send(b"hello")
    wait_until(lambda: len(lab.conns()) == count, "there is an entry of each")
    wanted = sorted(f"{sock.getsockname()[1]:04X}" for sock in socks)
    for size in (1 << 20, 4096, 1000, 77):
        lines = read_in_steps(lab, "ip_vs_conn", size).splitlines()
        equal(sorted(line.split()[2] for line in lines[1:]), wanted,
              f"the clients' ports, by reads of {size} bytes")
    for sock in socks:
        sock.close()


def test_many_services_and_destinations(lab):
    """The same of what is configured; a list is cut between any two lines."""
    director = lab.director()
    for port in range(1000, 1200):
        director.must(N["RLVS_CMD_SERVICE_ADD"], service(TCP4, port, scheduler="rr"))
    for port in (1000, 1100, 1199):
        director.must(N["RLVS_CMD_DESTINATION_ADD"],
                      destination(service(TCP4, port), 8000, 8249))
    wanted = [(1000 + place, 8000 + number if number else None) for place in range(200)
              for number in range(251 if place in (0, 100, 199) else 1)]
    for size in (1 << 20, 1000):
        found, at = [], None
        for line in read_in_steps(lab, "ip_vs", size).splitlines()[3:]:
            port = int(re.search(r":([0-9A-F]{4}) ", line)[1], 16)
            at = at if line.startswith("  ->") else port
            found.append((at, port + 1 if line.startswith("  ->") else None))
        equal(found, wanted, f"services and destinations, by reads of {size} bytes")


def test_reading_again_from_the_beginning(lab):
    """After a seek, and what has changed meanwhile is seen."""
    lab.balance(TCP4, ports="8001")
    with lab.lb, open(NET + "ip_vs", encoding="ascii") as file:
        first = file.read()
        file.seek(0)
        equal(file.read(), first, "the second reading")
        lab.director().flush_now()
        file.seek(0)
        equal(len(file.read().splitlines()), 3, "lines once there is no service")


def test_each_namespace_has_its_own(lab):
    other = Namespace()
    lab.balance(TCP4, ports="8001")
    equal(len(lab.lb.read(NET + "ip_vs").splitlines()), 5, "lines where the service is")
    equal(len(other.read(NET + "ip_vs").splitlines()), 3, "lines in another namespace")
    other.close()


def test_the_module_goes_while_files_are_open(lab):
    """It does not wait for who has one open, and who reads on is told."""
    lab.servers.listen(TCP4, [8001])
    lab.balance(TCP4, ports="8001")
    with talk(lab.client, TCP4), lab.lb:
        files = [os.open(NET + name, os.O_RDONLY) for name in FILES]
        for fd in files:
            check(os.read(fd, 10), "nothing to read")
    kernel.remove()
    try:
        for fd in files:
            try:
                equal(os.read(fd, 1000), b"", "what is read once the module is gone")
            except OSError:
                pass  # EIO: the file is no more
            os.close(fd)
        for name in FILES:
            with lab.lb:
                check(not os.path.exists(NET + name), f"{name} is still there")
    finally:
        kernel.insert()


def test_a_namespace_goes_while_a_file_is_open():
    """Its state is freed, whoever holds the file."""
    gone = Namespace()
    with gone:
        fd = os.open(NET + "ip_vs_conn", os.O_RDONLY)
        sock = socket.socket()
    check(os.read(fd, 10), "nothing to read")
    sock.close()
    gone.close()

    def over():
        try:
            return not os.pread(fd, 1000, 0)
        except OSError:
            return True
    wait_until(over, "the file ends")
    os.close(fd)
