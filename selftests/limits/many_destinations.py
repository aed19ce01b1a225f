# SPDX-License-Identifier: GPL-2.0
"""The cost of a packet does not grow with the destinations of its service.

Of more than 64 destinations a constant number is asked whether they listen. A packet that finds none
has the periodic work ask all, so that the next one finds one that listens.
"""

import time

from lib.clients import refusal, served_by
from lib.ktap import check, each, equal, fewer, in_time, wait_until
from lib.lab import TCP4, TCP6, UDP4, of_ipv6

FIRST = 1024
FEW = 64
MANY = fewer(12000, 640)
# How many times as much as with 64 destinations one refusal may cost: 16 of the scheduler's choices, 64
# that were heard and 64 others are asked instead of 64. With all of 64000 it was a hundred times.
MOST = 6


def crowd(lab):
    """Allows the namespace as many destinations: it is not the host's first one."""
    lab.lb.sysctl("net.ipv4.vs.dest_max", 8 * MANY)


def ports(count):
    """A range of so many."""
    return f"{FIRST}-{FIRST + count - 1}"


def cost(lab, flow, port):
    """Seconds that a client on the same host takes to be refused: the least of some."""
    times = []
    for _ in range(20):
        with lab.lb:
            client = flow.socket()
        with client:
            begun = time.perf_counter()
            met = client.connect_ex((flow.vip, port))
            times.append(time.perf_counter() - begun)
        check(met != 0, "a connection was made though nobody listens")
    return min(times)


@each([("nat", "rr"), ("nat", "jsq"), ("nat", "sh"), ("steer", "p2c"), ("steer", "wrr")])
def test_a_refusal_costs_the_same(lab, how):
    """By the time that it takes, as nothing counts the sockets that are asked."""
    method, scheduler = how
    crowd(lab)
    add = lab.balance if method == "nat" else lab.steer
    few, many = add(TCP4, ports(FEW), 80, scheduler), add(TCP4, ports(MANY), 81, scheduler)
    if scheduler == "sh":
        for service in (few, many):
            lab.rlvs(f"service edit {service} --flags sh-fallback")
    before = lab.counter("no_destination")
    with_few, with_many = cost(lab, TCP4, 80), cost(lab, TCP4, 81)
    equal(lab.counter("no_destination") - before, 40, "refusals")
    in_time(with_many < MOST * with_few,
            f"{with_many * 1e3:.2f} ms with {MANY} destinations, {with_few * 1e3:.2f} with {FEW}")


@each([TCP4, UDP4, *of_ipv6(TCP6)])
def test_the_only_one_is_found(lab, flow):
    """One of many listens: a moment later no client is refused, and so when it is another one."""
    crowd(lab)
    lab.balance(flow, ports(MANY))
    for number, port in enumerate((FIRST + MANY // 2, FIRST + MANY - 1)):
        lab.servers.listen(flow, [port])
        where = (lab.client, lab.lb)[number]
        wait_until(lambda w=where: refusal(w, flow) == "served", "somebody is served", 5)
        equal(served_by(where, flow, 20), {port: 20}, "who serves")
        lab.servers.close_all()


@each(["rr", "wlc", "wrr", "lblc"])
def test_weights_that_change_at_once(lab, scheduler):
    """All but one are quiesced by two requests: the next connection is served."""
    crowd(lab)
    only = FIRST + MANY // 3
    service = lab.balance(TCP4, ports(MANY), scheduler=scheduler)
    lab.servers.listen(TCP4, [only])
    lab.rlvs(f"dest edit {service} :{FIRST}-{only - 1} --weight 0")
    lab.rlvs(f"dest edit {service} :{only + 1}-{FIRST + MANY - 1} --weight 0")
    equal(served_by(lab.client, TCP4, 5), {only: 5}, "who serves")
