# SPDX-License-Identifier: GPL-2.0
"""A local client's packet that is sent again is still its socket's.

Rules for the owner, and routes by owner, protocol and port, hold for it.
"""

import contextlib
import ctypes
import re

from lib.clients import talk
from lib.ktap import Skip, check, each, equal
from lib.lab import FLOWS

UID = 1234
_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def user(uid):
    """Sockets that this thread makes belong to that user."""
    _libc.setfsuid(uid)
    try:
        yield
    finally:
        _libc.setfsuid(0)


def nft(lab, text):
    """Replaces the rules on lb."""
    done = lab.lb.run("nft", "-f", "-", input="flush ruleset\n" + text)
    if done.returncode != 0:
        raise Skip(f"nft: {done.stderr.strip().splitlines()[0]}")


def refusing(flow):
    """A chain in which port 8001 refuses what comes, in the way of a host without a process."""
    verdict = "reject with tcp reset" if flow.protocol == "tcp" else "reject"
    return (" chain in { type filter hook input priority 0;\n"
            f'  {flow.protocol} dport 8001 counter {verdict} comment "tries"\n }}\n')


def count(lab, comment):
    """Packets that the rule with this comment has counted."""
    text = lab.lb.must("nft", "list", "table", "inet", "t")
    return int(re.search(rf'counter packets (\d+) [^\n]*comment "{comment}"', text)[1])


@each(FLOWS)
def test_rules_for_the_owner_hold(lab, flow):
    """No other user's first packets to the destinations may leave."""
    # What a TCP socket sends after close(2) has no owner any more.
    first = "tcp flags & (syn | ack) == syn" if flow.protocol == "tcp" else ""
    lab.servers.listen(flow, [8001, 8002])
    lab.balance(flow, ports="8001-8002")
    nft(lab, "table inet t {\n" + refusing(flow) +
        " chain out { type filter hook output priority 0;\n"
        f"  {flow.protocol} dport 8001-8002 meta skuid {UID} accept\n"
        f'  {flow.protocol} dport 8001-8002 {first} counter drop comment "strangers"\n }}\n}}\n')
    try:
        with user(UID), talk(lab.lb, flow, limit=3.0) as conversation:
            equal(conversation.port, 8002, "the server")
            conversation.say(b"once more")
        equal(count(lab, "tries"), 1, "packets that were refused")
        equal(count(lab, "strangers"), 0, "packets without an owner")
    finally:
        nft(lab, "")


@each(FLOWS)
def test_routes_for_the_owner_protocol_and_port(lab, flow):
    """The service's address has a route for these packets of this user only."""
    lab.servers.listen(flow, [8001, 8002])
    lab.balance(flow, ports="8001-8002")
    nft(lab, "table inet t {\n" + refusing(flow) + "}\n")
    rules = ["add pref 4 lookup local", "del pref 0"]
    for pref, selector in ((1, f"uidrange 0-{UID - 1}"), (2, f"uidrange {UID + 1}-4294967294")):
        rules.append(f"add pref {pref} to {flow.vip} {selector} unreachable")
    rules += [f"add pref 3 to {flow.vip} ipproto {flow.protocol} dport 80 sport 5000 lookup local",
              f"add pref 3 to {flow.vip} unreachable"]
    change_rules(lab, flow, rules)
    before = lab.counter("retried")
    try:
        with user(UID), talk(lab.lb, flow, source=flow.host, source_port=5000,
                             limit=3.0) as conversation:
            equal(conversation.port, 8002, "the server")
        check(lab.counter("retried") == before + 1, "there was no second try")
    finally:
        change_rules(lab, flow, ["add pref 0 lookup local", "del pref 1", "del pref 2",
                                 "del pref 3", "del pref 3", "del pref 4"])
        nft(lab, "")


def change_rules(lab, flow, lines):
    """Changes the rules by which routes of this family are chosen."""
    lab.lb.must("ip", f"-{flow.version}", "-batch", "-",
                input="".join(f"rule {line}\n" for line in lines))
