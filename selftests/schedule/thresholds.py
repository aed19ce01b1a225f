# SPDX-License-Identifier: GPL-2.0
"""A destination with --max-connections gets no more until it is below --min-connections."""

import json

from lib.clients import refusal, talk
from lib.ktap import check, each, equal, wait_until
from lib.lab import FLOWS, TCP, TCP4


def bounds(lab, service):
    """What the listing says of each destination's bounds."""
    return {d["port"]: (d["max_connections"], d["min_connections"])
            for d in lab.find(service)["destinations"]}


def totals(lab, service):
    """The connections that each destination has."""
    return {d["port"]: d["active_connections"] + d["inactive_connections"]
            for d in lab.find(service)["destinations"]}


def test_setting_and_listing(lab):
    service = lab.balance(TCP4, ports="8001")
    lab.rlvs(f"dest add {service} :8002-8003 --max-connections 10 --min-connections 4 --method nat")
    equal(bounds(lab, service), {8001: (0, 0), 8002: (10, 4), 8003: (10, 4)}, "bounds")
    for edit, expected in (("--max-connections 20", (20, 4)), ("--weight 7", (20, 4)),
                           ("--min-connections 20", (20, 20)),
                           ("--max-connections 5 --min-connections 0", (5, 0))):
        lab.rlvs(f"dest edit {service} :8002 {edit}")
        equal(bounds(lab, service)[8002], expected, f"bounds after {edit}")
    equal(bounds(lab, service)[8003], (10, 4), "bounds of the other one")
    text = lab.rlvs("list")
    check(" MAX " in text and " 10 " in text, f"the bounds are not in the table: {text}")
    listed = json.loads(lab.rlvs("list --json"))["services"][0]["destinations"]
    equal([d["max_connections"] for d in listed], [0, 5, 10], "bounds in JSON")


def test_wrong_bounds_are_refused(lab):
    """With a text, and nothing is changed; of a range nothing either."""
    service = lab.balance(TCP4, ports="8001")
    lab.rlvs(f"dest add {service} :8002 --max-connections 10 --method nat")
    lab.rlvs(f"dest add {service} :8003 --max-connections 3 --method nat")
    before = bounds(lab, service)
    for line in (f"dest add {service} :8004 --max-connections 3 --min-connections 4 --method nat",
                 f"dest add {service} :8004 --min-connections 1 --method nat",
                 f"dest edit {service} :8002-8003 --min-connections 4",
                 f"dest edit {service} :8001 --min-connections 1"):
        done = lab.try_rlvs(line)
        equal(done.returncode, 1, f"exit status of {line}")
        check("max-connections" in done.stderr and "ERANGE" in done.stderr,
              f"{line}: {done.stderr}")
        equal(bounds(lab, service), before, f"bounds after {line}")


@each(FLOWS)
def test_no_more_than_the_bound(lab, flow):
    """With every scheduler; what finds all full is refused and counted, until one has room."""
    for scheduler in ("rr", "wrr", "wlc"):
        lab.servers.listen(flow, [8001, 8002])
        service = lab.balance(flow, ports="8001", scheduler=scheduler)
        lab.rlvs(f"dest edit {service} :8001 --max-connections 2")
        lab.rlvs(f"dest add {service} :8002 --max-connections 3 --weight 5 --method nat")
        held = [talk(where, flow) for where in (lab.client, lab.lb) * 2]
        held.append(talk(lab.client, flow))
        equal(totals(lab, service), {8001: 2, 8002: 3}, f"connections by {scheduler}")
        before = lab.counter("no_destination")
        for where in (lab.client, lab.lb):
            check(refusal(where, flow, limit=0.3) != "served", "a connection too many was served")
        check(lab.counter("no_destination") >= before + 2, "refusals were not counted")
        equal(totals(lab, service), {8001: 2, 8002: 3}, "connections after refusals")
        lab.rlvs(f"dest edit {service} :8001 --max-connections 0")
        with talk(lab.client, flow) as another:
            equal(another.port, 8001, "the port that has no bound any more")
        for conversation in held:
            conversation.say(b"still here")
            conversation.close()
        lab.reset()


@each(TCP)
def test_full_until_below_the_lower_bound(lab, flow):
    """Entries of connections that were reset last ten seconds."""
    lab.servers.listen(flow, [8001])
    service = lab.balance(flow, ports="8001")
    lab.rlvs(f"dest edit {service} :8001 --max-connections 4 --min-connections 2")
    held = [talk(lab.client, flow) for _ in range(4)]
    for _ in range(2):
        held.pop().close(reset=True)
    wait_until(lambda: totals(lab, service) == {8001: 2}, "two entries are over", limit=20)
    check(refusal(lab.client, flow, limit=0.3) != "served", "served though it was full before")
    held.pop().close(reset=True)
    wait_until(lambda: totals(lab, service) == {8001: 1}, "three entries are over", limit=20)
    for _ in range(3):
        held.append(talk(lab.client, flow))
    check(refusal(lab.client, flow, limit=0.3) != "served", "served though it is full again")
    for conversation in held:
        conversation.close()
