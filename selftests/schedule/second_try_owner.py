# SPDX-License-Identifier: GPL-2.0
"""A local client's packet that is sent again is still its socket's.

Rules for the owner, and routes by owner, protocol and port, hold for it.
"""

import contextlib
import ctypes

from lib.clients import talk
from lib.ktap import check, each, equal
from lib.lab import FLOWS
from lib.nft import counted, refuse, replace, tries

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


@each(FLOWS)
def test_rules_for_the_owner_hold(lab, flow):
    """No other user's first packets to the destinations may leave."""
    # What a TCP socket sends after close(2) has no owner any more.
    first = "tcp flags & (syn | ack) == syn" if flow.protocol == "tcp" else ""
    lab.servers.listen(flow, [8001, 8002])
    lab.balance(flow, ports="8001-8002")
    refuse(lab, flow, [8001])
    lab.lb.must("nft", "-f", "-", input=f"""
        table inet owner {{
            chain out {{
                type filter hook output priority 0;
                {flow.protocol} dport 8001-8002 meta skuid {UID} accept
                {flow.protocol} dport 8001-8002 {first} counter drop comment "strangers"
            }}
        }}""")
    try:
        with user(UID), talk(lab.lb, flow, limit=3.0) as conversation:
            equal(conversation.port, 8002, "the server")
            conversation.say(b"once more")
        equal(tries(lab), {8001: 1}, "packets that were refused")
        equal(counted(lab.lb, "owner"), {"strangers": 0}, "packets without an owner")
    finally:
        replace(lab.lb, "")


@each(FLOWS)
def test_routes_for_the_owner_protocol_and_port(lab, flow):
    """The service's address has a route for these packets of this user only."""
    lab.servers.listen(flow, [8001, 8002])
    lab.balance(flow, ports="8001-8002")
    refuse(lab, flow, [8001])
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
        replace(lab.lb, "")


def change_rules(lab, flow, lines):
    """Changes the rules by which routes of this family are chosen."""
    lab.lb.must("ip", f"-{flow.version}", "-batch", "-",
                input="".join(f"rule {line}\n" for line in lines))
