# SPDX-License-Identifier: GPL-2.0
"""Rules of nftables on a host: what becomes of packets to a destination's port, and how many came.

A process that is gone when the packet reaches it is hard to come by: a rule that refuses, after the
choice, what there is a process for, does the same.
"""

import collections
import re

from lib.ktap import Skip
from lib.lab import Lab


class CleanLab(Lab):
    """The lab, where the rules of one subtest do not meet the next one."""

    def reset(self):
        super().reset()
        self.lb.run("nft", "flush", "ruleset")


def replace(host, rules):
    """Replaces all rules of a host, or skips the subtest where nft cannot."""
    done = host.run("nft", "-f", "-", input="flush ruleset\n" + rules)
    if done.returncode != 0:
        raise Skip(f"nft: {done.stderr.strip().splitlines()[0]}")


def counted(host, table):
    """Returns how many packets the rules of a table have counted, by the rules' comments."""
    found = collections.Counter()
    text = host.must("nft", "list", "table", "inet", table)
    for packets, comment in re.findall(r'counter packets (\d+) [^\n]*comment "([^"]+)"', text):
        found[comment] += int(packets)
    return dict(found)


def judge(host, flow, ports, verdict):
    """Gives packets to these ports this verdict, after a destination was chosen, in a table `t`."""
    lines = "".join(f'  {flow.protocol} dport {port} counter {verdict} comment "{port}"\n'
                    for port in ports)
    replace(host, "table inet t {\n chain c { type filter hook input priority 0;\n"
                  f"{lines} }}\n}}\n")


def refuse(lab, flow, ports):
    """Has these ports refuse what comes, in the way of a host without a process."""
    judge(lab.lb, flow, ports, "reject with tcp reset" if flow.protocol == "tcp" else "reject")


def tries(lab):
    """Returns how many packets each port of judge() has got."""
    return {int(port): packets for port, packets in counted(lab.lb, "t").items()}
