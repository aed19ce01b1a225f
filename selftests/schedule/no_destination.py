# SPDX-License-Identifier: GPL-2.0
"""Without a destination a new connection is refused at once, not left hanging."""

import time

from lib.clients import refusal
from lib.ktap import check, each, equal, in_time
from lib.lab import FLOWS


def refused_at_once(lab, flow, where):
    """The client hears it within a second, and the refusal is counted."""
    before = lab.counter("no_destination"), lab.counter("rejected")
    begun = time.monotonic()
    equal(refusal(where, flow), "refused", "a new connection")
    took = time.monotonic() - begun
    in_time(took < 0.9, f"the refusal took {took:.2f} s")
    check(lab.counter("no_destination") > before[0], "no_destination was not counted")
    check(lab.counter("rejected") > before[1], "rejected was not counted")


@each(FLOWS)
def test_no_destinations_at_all(lab, flow):
    lab.rlvs(f"service add {flow.service(80)}")
    for where in (lab.client, lab.lb):
        refused_at_once(lab, flow, where)


@each(FLOWS)
def test_every_destination_quiesced(lab, flow):
    for scheduler in ("rr", "wlc", "ovf", "sh", "p2c", "lblcr"):
        service = lab.balance(flow, scheduler=scheduler)
        lab.rlvs(f"dest edit {service} :8001-8004 --weight 0")
        for where in (lab.client, lab.lb):
            refused_at_once(lab, flow, where)
        lab.rlvs(f"service del {service}")


@each(FLOWS)
def test_a_refused_connection_leaves_no_entry(lab, flow):
    lab.rlvs(f"service add {flow.service(80)}")
    for where in (lab.client, lab.lb):
        refusal(where, flow)
    equal(lab.conns(), [], "connection entries")
