# SPDX-License-Identifier: GPL-2.0
"""An entry whose time is over stays while the destination's process has the connection.

Waiting out the 15 minutes of an established connection is not for a test. So the entry is
led astray: a reset with an impossible sequence number, which the real end of the connection
ignores, leaves it in the state CLOSE, whose time is 10 seconds.
"""

import random
import time

from lib.clients import talk
from lib.ktap import check, equal, wait_until
from lib.lab import TCP
from lib.packets import Raw, segment

CLOSE_TIMEOUT = 10  # seconds


def states(lab):
    """The states of all entries."""
    return {entry["state"] for entry in lab.conns()}


def test_an_idle_connection_outlives_its_entry_s_time(lab):
    raw = Raw(lab.client, "eth", lab.lb, "wan")
    held = []
    for flow in TCP:
        lab.servers.listen(flow, [8001])
        lab.balance(flow, ports="8001")
        conversation = talk(lab.client, flow)
        held.append(conversation)
        raw.send(segment(*conversation.name[:1], flow.vip, conversation.name[1], 80, flags="R",
                         seq=random.randrange(1 << 32)))
    wait_until(lambda: states(lab) == {"CLOSE"},
               lambda: f"the resets moved the entries to CLOSE; they are in {states(lab)}")
    begun = time.monotonic()
    # Not a wait for something to happen, but for nothing to happen.
    while time.monotonic() - begun < CLOSE_TIMEOUT + 4:
        time.sleep(1)
        equal(len(lab.conns()), 2, f"entries after {time.monotonic() - begun:.0f} idle seconds")
    for conversation in held:
        conversation.bulk(50_000)
        conversation.close(reset=True)


def test_a_dead_connection_does_not(lab):
    """The same states and times, but nobody has these connections any more."""
    for flow in TCP:
        lab.servers.listen(flow, [8001])
        lab.balance(flow, ports="8001")
        talk(lab.client, flow).close(reset=True)
    wait_until(lambda: states(lab) == {"CLOSE"}, lambda: f"closed; they are in {states(lab)}")
    begun = time.monotonic()
    wait_until(lambda: not lab.conns(), "the entries are gone", limit=CLOSE_TIMEOUT + 8)
    check(time.monotonic() - begun > CLOSE_TIMEOUT - 3, "the entries went before their time")
