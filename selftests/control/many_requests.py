# SPDX-License-Identifier: GPL-2.0
"""Requests of ipvsadm wait for no grace period: keepalived reloads sixty services at once.

A request that waits gives up its processor. So the waits of a program that makes many requests one
after another can be counted, whatever time each of them takes: see getrusage(2), `ru_nvcsw`.
"""

import resource

from lib.ktap import check, each, equal
from lib.lab import FAMILIES

PLAIN_ONLY = "control/config_churn makes such requests, at once, and how often they wait is the same there"

COUNT = 300
SERVICES = 150


def waits(lab, lines):
    """How often `ipvsadm --restore` waits for something while it carries out so many commands, to
    each of these."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_nvcsw
    lab.lb.must("ipvsadm", "--restore", input="\n".join(lines) + "\n")
    return (resource.getrusage(resource.RUSAGE_CHILDREN).ru_nvcsw - before) / len(lines)


@each(FAMILIES)
def test_requests_of_ip_vs_do_not_wait(lab, flow):
    # The first service brings the hooks, which other parts of the kernel wait for, and the program
    # is read from the disk.
    lab.lb.must("ipvsadm", "--restore",
                input=f"-A -t {flow.endpoint(flow.vip, 65535)} -s rr\n")
    services = [f"-t {flow.endpoint(flow.vip, 1 + number)}" for number in range(SERVICES)]
    each_of = [(services[number % SERVICES], f"-r {flow.endpoint(flow.vip, 8000 + number)}")
               for number in range(COUNT)]
    add = [f"-a {service} {dest} -m" for service, dest in each_of]
    found = {
        "-A": waits(lab, [f"-A {service} -s wlc" for service in services]),
        "-a": waits(lab, add),
        "-e": waits(lab, [f"-e {service} {dest} -m -w 0" for service, dest in each_of]),
        "-E": waits(lab, [f"-E {service} -s {scheduler}" for scheduler in ("rr", "sh", "wlc")
                          for service in services]),
        "-d": waits(lab, [f"-d {service} {dest}" for service, dest in each_of]),
    }
    equal([entry["destinations"] for entry in lab.services()], [[]] * (SERVICES + 1),
          "what is left")
    lab.lb.must("ipvsadm", "--restore", input="\n".join(add) + "\n")
    found["-D"] = waits(lab, [f"-D {service}" for service in services])
    equal(len(lab.services()), 1, "services")
    for option, count in found.items():
        check(count < 0.5, f"`ipvsadm {option}` waits {count:.2f} times: {found}")
