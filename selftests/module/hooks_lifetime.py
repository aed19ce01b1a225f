# SPDX-License-Identifier: GPL-2.0
"""The packet hooks are there exactly while there is a service or a connection."""

import re

from lib.clients import refusal, talk
from lib.ktap import Skip, check, each, equal, wait_until
from lib.lab import FLOWS, TCP


def hooks(lab):
    """Families and hooks that the module is registered at, as nft sees it."""
    done = lab.lb.run("nft", "list", "hooks")
    if done.returncode != 0:
        raise Skip(f"nft list hooks: {done.stderr.strip().splitlines()[:1]}")
    found, family, hook = set(), None, None
    for line in done.stdout.splitlines():
        if match := re.match(r"\s*family (\S+) ", line):
            family = match[1]
        elif match := re.match(r"\s*hook (\S+) ", line):
            hook = match[1]
        elif "rlvs" in line:
            found.add((family, hook))
    return found


ALL = {(family, hook) for family in ("ip", "ip6") for hook in ("prerouting", "input", "output")}


def test_none_without_a_service(lab):
    equal(hooks(lab), set(), "hooks of a namespace that never had a service")


@each(FLOWS)
def test_from_the_first_service_to_the_last(lab, flow):
    first, second = flow.service(80), flow.service(81)
    lab.rlvs(f"service add {first}")
    equal(hooks(lab), ALL, "hooks with one service")
    lab.rlvs(f"service add {second}")
    lab.rlvs(f"service del {first}")
    equal(hooks(lab), ALL, "hooks with one service left")
    lab.rlvs(f"service del {second}")
    wait_until(lambda: hooks(lab) == set(), "the hooks are gone with the last service")
    equal(refusal(lab.client, flow), "refused", "a connection to nobody")


@each(TCP)
def test_until_the_last_connection_is_gone(lab, flow):
    lab.servers.listen(flow, [8001])
    service = lab.balance(flow, ports="8001")
    conversation = talk(lab.client, flow)
    lab.rlvs(f"service del {service}")
    conversation.bulk()
    equal(hooks(lab), ALL, "hooks while a connection lives")
    conversation.close(reset=True)
    # A closed connection's entry is kept for ten seconds.
    wait_until(lambda: not hooks(lab),
               lambda: f"the hooks are gone with the last connection; entries: {lab.conns()}",
               limit=30)
    equal(lab.conns(), [], "connection entries")


@each(TCP)
def test_flush_now_takes_them_away(lab, flow):
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    talk(lab.client, flow)
    check(hooks(lab) == ALL, "no hooks with a service")
    lab.rlvs("flush --now")
    wait_until(lambda: hooks(lab) == set(), "the hooks are gone")
