# SPDX-License-Identifier: GPL-2.0
"""The Python library pyroute2 finds in rlvs what it finds in ip_vs."""

import json
import os
import sys

from lib import kernel
from lib.ktap import equal
from lib.lab import TCP4, TCP6, UDP4
from lib.like_ip_vs import load_ip_vs, unload_ip_vs

PLAIN_ONLY = "ipvs/errors and ipvs/fuzz run the same code"
FLOWS = (TCP4, TCP6, UDP4)

# What a user of the library would write. Prints what it is told, a line of JSON for each step.
PROGRAM = """
import json, sys
from pyroute2 import IPVS, IPVSDest, IPVSService
from pyroute2.netlink.exceptions import NetlinkError

stay = sys.argv[1] == "stay"
# Statistics are compared elsewhere; ip_vs lists the destination first that came last.
said = lambda items: sorted(({k: v for k, v in sorted(item.items()) if "stats" not in k.lower()}
                             for item in items), key=lambda item: item["port"])

def play(ipvs, address, protocol, netmask):
    key = dict(addr=address, port=80, protocol=protocol)
    service = IPVSService(sched_name="wrr", timeout=60, netmask=netmask,
                          flags={"flags": 1, "mask": 0xffffffff}, **key)

    def dests():
        return said(IPVSDest.from_message(d) for d in ipvs.dest("dump", service=service))

    def step(name, work):
        try:
            result = work()
        except NetlinkError as error:
            result = f"error {error.code}"
        if name not in ("services", "dests") and not isinstance(result, str):
            result = "done"
        print(json.dumps([name, result], default=str))

    def dest(port, **what):
        return IPVSDest(addr=address, port=port, fwd_method=0, **what)

    step("add", lambda: ipvs.service("add", service=service))
    step("add again", lambda: ipvs.service("add", service=service))
    for port in 8001, 8002:
        step(f"dest {port}", lambda: ipvs.dest("add", service=service, dest=dest(port, weight=port)))
    step("dest again", lambda: ipvs.dest("add", service=service, dest=dest(8001)))
    step("services", lambda: said(IPVSService.from_message(s) for s in ipvs.service("dump")))
    step("dests", dests)
    step("quiesce", lambda: ipvs.dest("set", service=service,
                                      dest=dest(8002, weight=0, u_thresh=9, l_thresh=3)))
    step("dests", dests)
    step("dest del", lambda: ipvs.dest("del", service=service, dest=dest(8001)))
    step("dests", dests)
    step("set", lambda: ipvs.service("set", service=IPVSService(
        sched_name="lc", timeout=0, netmask=netmask, flags={"flags": 0, "mask": 0xffffffff}, **key)))
    step("services", lambda: said(IPVSService.from_message(s) for s in ipvs.service("dump")))
    if not stay:
        step("del", lambda: ipvs.service("del", service=service))
        step("del again", lambda: ipvs.service("del", service=service))
        step("services", lambda: said(IPVSService.from_message(s) for s in ipvs.service("dump")))

with IPVS() as ipvs:
    for flow in sys.argv[2:]:
        address, protocol, netmask = flow.split()
        play(ipvs, address, int(protocol), netmask)
"""


def play(lab, flows, then="delete"):
    """What the program was told, step by step."""
    arguments = []
    for flow in flows:
        # Of IPv6 it is a prefix length.
        netmask = "128.0.0.0" if flow.version == 6 else "255.255.255.255"
        arguments.append(f"{flow.vip} {flow.number} {netmask}")
    text = lab.lb.must(sys.executable, "-c", PROGRAM, then, *arguments, limit=60,
                       env=os.environ | {"PYTHONPATH": os.environ["RLVS_PYTHON"]})
    return [json.loads(line) for line in text.splitlines()]


def test_as_with_ip_vs(lab):
    load_ip_vs("wrr", "lc")
    try:
        wanted = play(lab, FLOWS)
    finally:
        unload_ip_vs(lab)
        kernel.insert()
    got = play(lab, FLOWS)
    for ours, theirs in zip(got, wanted, strict=True):
        equal(ours, theirs, f"step {theirs[0]}")
    shown = [result for name, result in wanted if name in ("services", "dests")]
    equal([len(result) for result in shown], [1, 2, 2, 1, 1, 0] * len(FLOWS),
          "how many ip_vs has shown")


def test_it_is_the_service_of_rlvs(lab):
    play(lab, [TCP4], "stay")
    (service,) = lab.services()
    equal((service["scheduler"], [d["port"] for d in service["destinations"]]), ("lc", [8002]),
          "what rlvs has")
    lab.rlvs(f"dest edit {TCP4.service(80)} :8002 --weight 7")
    shown = next(result for name, result in play(lab, [TCP4], "stay") if name == "dests")
    equal([(d["port"], d["weight"]) for d in shown], [(8001, 8001), (8002, 7)],
          "ports and weights that pyroute2 is told")
