# SPDX-License-Identifier: GPL-2.0
"""Each chain of a firewall sees the port that the table in architecture.rst says."""

import re

from lib.clients import refusal, talk
from lib.ktap import Skip, check, each, equal
from lib.lab import FLOWS

CHAINS = (("prerouting", -100), ("input", 0), ("output", 0), ("postrouting", 100))


def watch(lab, protocol):
    """Counts in each chain the packets to and from the service's and the destination's port."""
    rules = "flush ruleset\ntable inet watch {\n"
    for hook, priority in CHAINS:
        rules += f" chain {hook} {{ type filter hook {hook} priority {priority};\n"
        for end in ("dport", "sport"):
            for port in (80, 8001):
                rules += f'  {protocol} {end} {port} counter comment "{hook} {end} {port}"\n'
        rules += " }\n"
    done = lab.lb.run("nft", "-f", "-", input=rules + "}\n")
    if done.returncode != 0:
        raise Skip(f"nft: {done.stderr.strip().splitlines()[0]}")


def seen(lab):
    """What was seen, as "hook sport-or-dport port"."""
    text = lab.lb.must("nft", "list", "table", "inet", "watch")
    return {comment for packets, comment in
            re.findall(r'counter packets (\d+) [^\n]*comment "([^"]+)"', text) if int(packets)}


@each(FLOWS)
def test_a_remote_client_s_packets(lab, flow):
    watch(lab, flow.protocol)
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    with talk(lab.client, flow) as conversation:
        conversation.bulk(20_000)
    equal(seen(lab), {"prerouting dport 8001", "input dport 8001",
                      "output sport 8001", "postrouting sport 80"}, "what the chains saw")


@each(FLOWS)
def test_a_local_client_s_packets(lab, flow):
    """The answer comes in at the loopback device from the service's port."""
    watch(lab, flow.protocol)
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    with talk(lab.lb, flow) as conversation:
        conversation.bulk(20_000)
    equal(seen(lab), {"output dport 8001", "postrouting dport 8001", "prerouting dport 8001",
                      "input dport 8001", "output sport 8001", "postrouting sport 80",
                      "prerouting sport 80", "input sport 80"}, "what the chains saw")


@each(FLOWS)
def test_input_filters_by_the_destination_s_port(lab, flow):
    watch(lab, flow.protocol)
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")

    def block(port):
        lab.lb.must("nft", "-f", "-", input=f"""
            table inet block {{}}
            delete table inet block
            table inet block {{
                chain in {{
                    type filter hook input priority 0;
                    {flow.protocol} dport {port} drop
                }}
            }}""")

    block(80)
    talk(lab.client, flow).close()
    block(8001)
    check(refusal(lab.client, flow, limit=1) == "timeout", "a blocked port was served")
    lab.lb.must("nft", "delete", "table", "inet", "block")
