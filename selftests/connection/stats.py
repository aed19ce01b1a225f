# SPDX-License-Identifier: GPL-2.0
"""The counters are the packets and bytes that an independent capture sees."""

import json
import subprocess
import time

from lib.capture import Capture, packets
from lib.clients import talk
from lib.ktap import check, each, equal, in_time, wait_until
from lib.lab import FLOWS

KEYS = ("connections", "in_packets", "out_packets", "in_bytes", "out_bytes")


def counted(stats):
    """The counters in the order of KEYS."""
    return tuple(stats[key] for key in KEYS)


def exchange(lab, flow, where=None):
    """Three conversations, one after another, each until both ends have closed."""
    names = []
    for _ in range(3):
        with talk(where or lab.client, flow) as conversation:
            conversation.bulk(3_000)
            names.append(conversation.name)
        if flow.protocol == "tcp":
            served = lab.servers.served(conversation.name)
            wait_until(lambda s=served: s.ended == "closed", "the server saw the end")
    return names


@each(FLOWS)
def test_as_the_wire_has_them(lab, flow):
    lab.servers.listen(flow, [8001])
    service = lab.balance(flow, ports="8001")
    with Capture(lab.lb, "wan", f"{flow.protocol} port 80") as capture:
        exchange(lab, flow)

        def settled():
            stats = counted(lab.find(service)["stats"])
            return stats if stats == counted(lab.find(service)["stats"]) else None

        wait_until(settled, "the counters stand still")
    wire = [packet for packet in packets(capture.path)]
    inward = [p for p in wire if p.destination == flow.vip]
    outward = [p for p in wire if p.source == flow.vip]
    check(inward and outward, "the capture is empty")
    wanted = (3, len(inward), len(outward), sum(p.length for p in inward),
              sum(p.length for p in outward))
    found = lab.find(service)
    equal(counted(found["stats"]), wanted, f"the service's {KEYS}")
    equal(counted(found["destinations"][0]["stats"]), wanted, f"the destination's {KEYS}")


@each(FLOWS)
def test_of_local_clients_as_the_loopback_device_has_them(lab, flow):
    """Its packets are rewritten before they are there: to the destination, from the service."""
    lab.servers.listen(flow, [8001])
    service = lab.balance(flow, ports="8001")
    with Capture(lab.lb, "lo", f"{flow.protocol} dst port 8001") as inward, \
            Capture(lab.lb, "lo", f"{flow.protocol} src port 80") as outward:
        exchange(lab, flow, lab.lb)

        def settled():
            stats = counted(lab.find(service)["stats"])
            return stats == counted(lab.find(service)["stats"])

        wait_until(settled, "the counters stand still")
    lengths = [[p.length for p in packets(capture.path)] for capture in (inward, outward)]
    check(all(lengths), "the capture is empty")
    wanted = (3, *map(len, lengths), *map(sum, lengths))
    found = lab.find(service)
    equal(counted(found["stats"]), wanted, f"the service's {KEYS}")
    equal(counted(found["destinations"][0]["stats"]), wanted, f"the destination's {KEYS}")


@each(FLOWS)
def test_of_several_destinations_add_up(lab, flow):
    lab.servers.listen(flow, range(8001, 8005))
    service = lab.balance(flow)
    for _ in range(8):
        with talk(lab.client, flow) as conversation:
            conversation.say(b"hello")
    # The last packets of a TCP connection may still be under way.
    wait_until(lambda: counted(lab.find(service)["stats"]) == tuple(
        sum(d["stats"][key] for d in lab.find(service)["destinations"]) for key in KEYS),
        "the destinations' counters add up to the service's")
    for destination in lab.find(service)["destinations"]:
        equal(destination["stats"]["connections"], 2, f"connections of {destination['port']}")


@each(FLOWS)
def test_zero_sets_them_to_zero(lab, flow):
    lab.servers.listen(flow, [8001])
    service = lab.balance(flow, ports="8001")
    exchange(lab, flow)
    wait_until(lambda: lab.find(service)["stats"]["out_packets"] > 0, "something was counted")
    wait_until(lambda: not any(c["state"] == "ESTABLISHED" for c in lab.conns()),
               "the connections are over")
    lab.rlvs(f"service zero {service}")
    found = lab.find(service)
    equal(counted(found["stats"]), (0,) * 5, "the service's counters")
    equal(counted(found["destinations"][0]["stats"]), (0,) * 5, "the destination's counters")
    with talk(lab.client, flow):
        equal(lab.find(service)["stats"]["connections"], 1, "connections since then")


@each(FLOWS)
def test_rates_are_what_is_carried_meanwhile(lab, flow):
    """Also next to much that was carried before; a service that carries nothing has none."""
    lab.servers.listen(flow, [8001])
    service = lab.balance(flow, ports="8001")
    idle = lab.balance(flow, ports="8002", port=81)
    with talk(lab.client, flow) as conversation:
        conversation.bulk(200_000)
        with lab.lb:
            tool = subprocess.Popen(["rlvs", "list", "--rate=3", "--json"],
                                    stdout=subprocess.PIPE)
        with tool:
            before, begun = lab.find(service)["stats"], time.monotonic()
            while tool.poll() is None:
                conversation.say(b"x" * 100)
                time.sleep(0.02)
            carried, elapsed = lab.find(service)["stats"], time.monotonic() - begun
            listed = json.load(tool.stdout)["services"]
    found = {entry["port"]: entry for entry in listed}
    equal(set(found[81]["rates"].values()), {0.0}, f"the rates of {idle}")
    for key in KEYS[1:]:
        expected = (carried[key] - before[key]) / elapsed
        for entry in (found[80], found[80]["destinations"][0]):
            in_time(expected * 0.6 < entry["rates"][key] < expected * 1.6,
                    f"{key}: {entry['rates'][key]:.0f} per second, sent were {expected:.0f}")
