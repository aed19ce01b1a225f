#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A worker is killed while clients open connections without pause, and is started again.

    failover.py ADDRESS PORT FIRST-LAST      service, and the workers' ports

For the demonstration: in the namespaces rlvs-director and rlvs-clients, with a service and
destinations that are there already. The exit status is 1 if a connection was lost that
the kernel did not have to end with the worker.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib import disturb  # pylint: disable=wrong-import-position
from lib.netns import Named  # pylint: disable=wrong-import-position


class Hosts:
    """The demonstration's two hosts."""

    def __init__(self):
        self.lb, self.client = Named("rlvs-director"), Named("rlvs-clients")


class Prepared:
    """A service that is there."""

    reuse_port = False

    def __init__(self, ports):
        self.ports = ports

    def begin(self):
        """Nothing is left to do."""

    def end(self):
        """Neither."""


def main(address, port, ports):
    """Runs it and prints the counts."""
    os.environ["LC_ALL"] = "C"
    first, last = (int(number) for number in ports.split("-"))
    result = disturb.run(Hosts(), Prepared(range(first, last + 1)), disturb.killed,
                         (address, int(port)), disturb.Plan())
    before, during = result.rates()
    connects = disturb.connect_times(result.attempts)
    lost = len(result.attempts) - sum(
        result.count[kind] for kind in ("answered", "reset_queued", "reset_accepted"))
    lines = (
        ("connections answered", result.count["answered"]),
        ("a second, with all workers", f"{before:.0f}"),
        ("a second, while one was dead", f"{during:.0f}"),
        ("refused", result.count["refused"]),
        ("not connected in time, or without an answer", lost - result.count["refused"]),
        ("reset, accepted by the killed worker", result.count["reset_accepted"]),
        ("reset, waiting in its accept queue", result.count["reset_queued"]),
        ("time to connect, p99", f"{disturb.percentile(connects, 99):.0f} ms"),
    )
    for name, value in lines:
        print(f"        {name:<46} {value:>8}")
    unexplained = len(result.unexplained())
    if unexplained:
        print(f"        {'reset for no reason':<46} {unexplained:>8}")
    if not result.used_again():
        print("        the worker that was started again got no connections")
    return 1 if lost or unexplained or not result.used_again() else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
