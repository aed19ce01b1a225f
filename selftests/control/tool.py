# SPDX-License-Identifier: GPL-2.0
"""The tool shows what the module says, in the documented form."""

import json

from lib.clients import talk
from lib.ktap import check, equal
from lib.lab import FLOWS, TCP4


def busy(lab):
    """Services of every kind with connections."""
    held = []
    for number, flow in enumerate(FLOWS):
        lab.servers.listen(flow, [8001, 8002])
        lab.rlvs(f"service add {flow.service(80)} --scheduler {('rr', 'wrr', 'wlc')[number % 3]}")
        lab.rlvs(f"dest add {flow.service(80)} :8001-8002 --weight {number} --method nat")
        lab.rlvs(f"dest edit {flow.service(80)} :8002 --weight 10 --method nat"
                 if number == 0 else f"dest edit {flow.service(80)} :8002 --weight 10")
        held += [talk(lab.client, flow), talk(lab.lb, flow)]
    return held


def test_json_is_what_netlink_says(lab):
    held = busy(lab)
    director = lab.director()
    listed = json.loads(lab.rlvs("list --json"))

    def order(service):
        return service["protocol"], service["address"], service["port"]

    equal(sorted(listed["services"], key=order), sorted(director.services(), key=order),
          "rlvs list --json")
    equal(json.loads(lab.rlvs("list --json")), listed, "the same list a second time")

    def entries(found):
        return sorted(tuple(value for key, value in sorted(entry.items()) if key != "expires")
                      for entry in found)

    conns = json.loads(lab.rlvs("conns --json"))["connections"]
    equal(len(conns), len(held), "connections listed")
    equal(entries(conns), entries(director.connections()), "rlvs conns --json")
    counters = json.loads(lab.rlvs("counters --json"))["counters"]
    equal(counters["connections"], len(held), "the counter of connections")
    equal(counters["entries"], len(held), "the counter of entries")
    for conversation in held:
        conversation.close()


def test_tables_for_people(lab):
    held = busy(lab)
    text = lab.rlvs("list --stats")
    for word in ("tcp://198.51.100.10:80", "udp://[2001:db8:1::10]:80", "8001", "8002", "wlc"):
        check(word in text, f"rlvs list --stats does not show {word}:\n{text}")
    text = lab.rlvs("conns")
    equal(sum("8001" in line or "8002" in line for line in text.splitlines()), len(held),
          "lines with connections")
    check("ESTABLISHED" in text and "UDP" in text, f"rlvs conns shows no states:\n{text}")
    lab.rlvs("counters")
    for conversation in held:
        conversation.close()


def test_zero_of_all_services(lab):
    lab.balance(TCP4, ports="8001")
    lab.servers.listen(TCP4, [8001])
    talk(lab.client, TCP4).close(reset=True)
    equal(lab.find(TCP4.service(80))["stats"]["connections"], 1, "connections counted")
    lab.rlvs("service zero")
    equal(lab.find(TCP4.service(80))["stats"]["connections"], 0, "connections after zeroing")


def test_flush_leaves_nothing(lab):
    for flow in FLOWS:
        lab.balance(flow)
    lab.rlvs("flush")
    equal(json.loads(lab.rlvs("list --json")), {"services": []}, "rlvs list --json")
