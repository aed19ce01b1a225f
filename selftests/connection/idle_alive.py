# SPDX-License-Identifier: GPL-2.0
"""An entry whose time is over stays while the destination's process has the connection.

Waiting out the 15 minutes of an established connection is not for a test: the services have
a timeout of their own.
"""

import time

from lib.clients import talk
from lib.ktap import check, equal, in_time, wait_until
from lib.lab import TCP

TIMEOUT = 3  # seconds
CLOSE_TIMEOUT = 10


def states(lab):
    """The states of all entries."""
    return {entry["state"] for entry in lab.conns()}


def test_an_idle_connection_outlives_its_entry_s_time(lab):
    held = []
    for flow in TCP:
        lab.servers.listen(flow, [8001])
        service = lab.balance(flow, ports="8001")
        lab.rlvs(f"service edit {service} --timeout-tcp {TIMEOUT}")
        held += [talk(where, flow) for where in (lab.client, lab.lb)]
    expires = max(entry["expires"] for entry in lab.conns())
    check(expires <= TIMEOUT, f"an entry expires in {expires} s, wanted are {TIMEOUT} s")
    begun = time.monotonic()
    # Not a wait for something to happen, but for nothing to happen.
    while time.monotonic() - begun < 4 * TIMEOUT:
        time.sleep(1)
        equal(len(lab.conns()), len(held),
              f"entries after {time.monotonic() - begun:.0f} idle seconds")
    equal(states(lab), {"ESTABLISHED"}, "the states of the entries")
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
    in_time(time.monotonic() - begun > CLOSE_TIMEOUT - 3, "the entries went before their time")
