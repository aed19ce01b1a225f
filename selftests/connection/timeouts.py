# SPDX-License-Identifier: GPL-2.0
"""Timeouts can be set for the namespace and for a service."""

import json

from lib.clients import talk
from lib.ktap import check, each, equal, wait_until
from lib.lab import TCP4, UDP

DEFAULTS = {"tcp": 900, "tcp_fin": 120, "udp": 300}


def timeouts(lab):
    """What the tool shows of the namespace."""
    return json.loads(lab.rlvs("timeouts --json"))["timeouts"]


def expires(lab, conversation):
    """The seconds that the conversation's entry has left, or None."""
    return next((c["expires"] for c in lab.conns()
                 if c["client_port"] == conversation.name[1]), None)


def near(lab, conversation, wanted):
    """Checks what the entry of a conversation that has just spoken has left."""
    left = expires(lab, conversation)
    check(left is not None and wanted - 60 < left <= wanted,
          f"the entry expires in {left} s, wanted about {wanted} s")


def test_the_namespace_s_are_shown_and_set(lab):
    equal(timeouts(lab), DEFAULTS, "the defaults")
    try:
        lab.rlvs("timeouts --tcp 2147483647 --udp 17")
        equal(timeouts(lab), {**DEFAULTS, "tcp": 2147483647, "udp": 17}, "what was set")
        equal(lab.rlvs("timeouts").split(), ["tcp", "2147483647", "tcp-fin", "120", "udp", "17"],
              "the listing")
        text = lab.refused("timeouts --tcp-fin 5 --udp 2147483648")
        check("timeout out of range" in text and "udp" in text, text)
        equal(timeouts(lab)["tcp_fin"], 120, "what stands beside a value that was refused")
    finally:
        lab.rlvs("timeouts --tcp 0 --tcp-fin 0 --udp 0")
    equal(timeouts(lab), DEFAULTS, "after they were taken back")


def test_a_service_s_are_shown_and_set(lab):
    name = TCP4.service(80)
    lab.rlvs(f"service add {name} --timeout-tcp 7200 --timeout-fin 5")

    def shown():
        found = json.loads(lab.rlvs(f"list {name} --json"))["services"][0]
        return {key: value for key, value in found.items() if key.startswith("timeout")}

    equal(shown(), {"timeout_tcp": 7200, "timeout_fin": 5}, "what was set")
    check("tcp=7200s fin=5s" in lab.rlvs("list"), "the listing does not show them")
    lab.rlvs(f"service edit {name} --timeout-tcp 0 --timeout-udp 9")
    equal(shown(), {"timeout_fin": 5, "timeout_udp": 9}, "after the change")
    text = lab.refused(f"service edit {name} --timeout-fin 4294967295")
    check("timeout out of range" in text and "timeout-fin" in text, text)
    lab.rlvs(f"service edit {name} --scheduler rr")
    equal(shown(), {"timeout_fin": 5, "timeout_udp": 9}, "after a change of something else")


@each(UDP)
def test_a_flow_expires_by_them(lab, flow):
    """The service's go before the namespace's, and a change holds for flows that there are."""
    lab.servers.listen(flow, [8001])
    for port in (80, 81):
        lab.balance(flow, ports="8001", port=port)
    try:
        with talk(lab.client, flow, 80) as first, talk(lab.client, flow, 81) as second:
            near(lab, first, 300)
            lab.rlvs("timeouts --udp 1000")
            for conversation in (first, second):
                near(lab, conversation, 1000)
            lab.rlvs(f"service edit {flow.service(80)} --timeout-udp 2000")
            near(lab, first, 2000)
            near(lab, second, 1000)
            lab.rlvs("timeouts --udp 2")
            wait_until(lambda: expires(lab, second) is None, "the other service's flow is gone")
            check(expires(lab, first), "the flow whose service has a timeout is gone")
            lab.rlvs(f"service edit {flow.service(80)} --timeout-udp 1")
            wait_until(lambda: expires(lab, first) is None, "the flow is gone")
    finally:
        lab.rlvs("timeouts --udp 0")


def test_tcp_by_its_state(lab):
    """Established and half closed; those of UDP and of other states stay."""
    lab.servers.listen(TCP4, [8001])
    name = lab.balance(TCP4, ports="8001")
    lab.rlvs(f"service edit {name} --timeout-tcp 5000 --timeout-fin 4000 --timeout-udp 3000")
    with talk(lab.client, TCP4) as conversation:
        near(lab, conversation, 5000)
        # The server closes, the client does not yet: FIN_WAIT.
        lab.servers.finish(lab.servers.served(conversation.name))
        equal(conversation.ends(), "closed", "how the connection ended")
        near(lab, conversation, 4000)
        conversation.close()
        wait_until(lambda: (expires(lab, conversation) or 999) <= 120,
                   "closed on both sides, it expires by a timeout that cannot be set")


def test_a_process_s_connection_outlives_them(lab):
    """An idle connection is not cut, however short the timeout."""
    lab.servers.listen(TCP4, [8001])
    name = lab.balance(TCP4, ports="8001")
    lab.rlvs(f"service edit {name} --timeout-tcp 1")
    with talk(lab.client, TCP4) as conversation, talk(lab.client, TCP4) as other:
        other.close(reset=True)
        wait_until(lambda: expires(lab, other) is None, "a connection that is over is gone", 20)
        conversation.say(b"still here")
