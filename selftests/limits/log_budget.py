# SPDX-License-Identifier: GPL-2.0
"""The module's messages do not use up the rate limit of the network stack's own."""

import time

from lib import kernel
from lib.ktap import check, wait_until
from lib.lab import TCP4
from lib.packets import Raw, datagram, icmp_error

PLAIN_ONLY = "what it is about is the same code on both kernels, and the tool takes seconds there"

NOBODY = 65534
THE_STACKS = "error to a broadcast"
REFUSED = "a request of ip_vs's family was refused"
# Refused, as there is no synchronisation with other hosts.
ASK = "ipvsadm --start-daemon master --mcast-interface lo 2>/dev/null; true"
FULL = "as many as net.ipv4.vs.conn_max allows"
# A namespace with room for no connection, and a client of its own.
FILL = ("unshare -Urn sh -c 'ip link set lo up;"
        " rlvs service add udp://127.0.0.1:80; rlvs dest add udp://127.0.0.1:80 :8001 --method nat;"
        " echo 0 >/proc/sys/net/ipv4/vs/conn_max;"
        " bash -c \"echo >/dev/udp/127.0.0.1/80\" 2>/dev/null; true'")


def send_bogus_error(lab):
    """An ICMP error that the stack logs: about a packet to a broadcast address."""
    quoted = datagram(TCP4.host, "192.0.2.255", 9, 9, b"hello")
    Raw(lab.client, "eth", lab.lb, "wan").send(icmp_error(TCP4.client, TCP4.host, 3, 3, quoted))


def check_budget(lab, do, message, most, interval, **user):
    """No more messages than that are written in so many seconds, and the next of the stack is."""
    lab.lb.sysctl("net.ipv4.icmp_ignore_bogus_error_responses", 0)
    log = kernel.Log()
    begun = time.monotonic()
    done = lab.lb.run("sh", "-c", f"for i in $(seq {most + 3}); do {do}; done", **user)
    check(done.returncode == 0, done.stderr)
    most *= 1 + int((time.monotonic() - begun) / interval)
    lines, seen = log.lines(), []
    send_bogus_error(lab)
    wait_until(lambda: seen.extend(log.lines()) or any(THE_STACKS in line for line in seen),
               "the stack's own message", limit=2)
    found = sum(message in line for line in lines)
    check(0 < found <= most, f"{found} messages, at most {most} were wanted")


def test_of_a_users_own_namespaces(lab):
    """The limit is one for all namespaces that are not the host's."""
    check_budget(lab, FILL, FULL, 5, 60, user=NOBODY, group=NOBODY, extra_groups=[])


def test_of_the_hosts_namespaces(lab):
    check_budget(lab, ASK, REFUSED, 10, 5)
