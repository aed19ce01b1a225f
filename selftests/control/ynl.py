# SPDX-License-Identifier: GPL-2.0
"""The kernel's own netlink client drives the family from the specification in Documentation."""

import json

from lib.ktap import Skip, check, equal
from lib.lab import TCP4
from lib.ynl import kernel_source, run_ynl


def identity(port):
    """A service as the client takes it."""
    return {"protocol": 6, "address": TCP4.vip, "port": port}


def test_it_reads_and_writes(lab):
    """Three starts of the client; each takes a while in an emulated machine."""
    source = kernel_source()
    if not source:
        raise Skip("no kernel source with tools/net/ynl: set KDIR")
    done = run_ynl(
        lab, source,
        "--multi", "service-add", json.dumps(identity(80) | {"scheduler": "rr"}),
        "--multi", "destination-add", json.dumps(
            {"service": identity(80), "port": 8001, "last-port": 8004, "weight": 5}))
    if "No module named" in done.stderr:
        raise Skip(f"{done.stderr.strip().splitlines()[-1]}: install it")
    check(done.returncode == 0, f"ynl was refused: {done.stderr.strip()[-400:]}")
    found = lab.find(TCP4.service(80))
    equal((found["scheduler"], [(d["port"], d["weight"]) for d in found["destinations"]]),
          ("rr", [(port, 5) for port in range(8001, 8005)]), "the services")
    done = run_ynl(lab, source, "--output-json", "--dump", "service-get")
    check(done.returncode == 0, f"ynl cannot dump: {done.stderr.strip()[-400:]}")
    equal([(s["address"], s["port"], s["scheduler"], s["destinations"])
           for s in json.loads(done.stdout)], [(TCP4.vip, 80, "rr", 4)], "what ynl dumps")
    done = run_ynl(lab, source, "--do", "service-add", "--json", json.dumps(identity(0)))
    check(done.returncode != 0, "ynl was granted port 0")
    text = done.stderr + done.stdout
    check("port" in text, f"ynl shows no text: {text[-300:]}")
