# SPDX-License-Identifier: GPL-2.0
"""The kernel's own netlink client drives the family from our specification."""

import json

from lib.ktap import Skip, check, equal
from lib.lab import TCP4
from lib.ynl import kernel_source, run_ynl

LIMIT = 150


def identity(port):
    """A service as the client takes it."""
    return {"protocol": 6, "address": TCP4.vip, "port": port}


def ynl(lab, source, *arguments):
    """What the client prints, as data."""
    done = run_ynl(lab, source, "--output-json", *arguments)
    check(done.returncode == 0, f"ynl {arguments}: {done.stderr.strip()[-400:]}")
    return json.loads(done.stdout)


def test_it_reads_and_writes(lab):
    source = kernel_source()
    if not source:
        raise Skip("no kernel source with tools/net/ynl: set KDIR")
    probe = run_ynl(lab, source, "--help")
    if "No module named" in probe.stderr:
        raise Skip(f"{probe.stderr.strip().splitlines()[-1]}: set RLVS_VENV")
    run = [ynl(lab, source, "--do", "service-add",
               "--json", json.dumps(identity(80) | {"scheduler": "rr"})),
           ynl(lab, source, "--do", "destination-add", "--json", json.dumps(
               {"service": identity(80), "port": 8001, "last-port": 8004, "weight": 5}))]
    check(all(not answer for answer in run), f"answers to changes: {run}")
    found = lab.find(TCP4.service(80))
    equal((found["scheduler"], [(d["port"], d["weight"]) for d in found["destinations"]]),
          ("rr", [(port, 5) for port in range(8001, 8005)]), "what the tool lists")
    dumped = ynl(lab, source, "--dump", "service-get", "--json", "{}")
    equal([(s["port"], s["scheduler"], s["destinations"]) for s in dumped], [(80, "rr", 4)],
          "what ynl dumps")
    refused = run_ynl(lab, source, "--do", "service-add", "--json", json.dumps(identity(0)))
    check(refused.returncode != 0, "ynl was granted port 0")
    text = refused.stderr + refused.stdout
    check("port" in text, f"ynl shows no text: {text[-300:]}")
