#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Runs the benchmarks and leaves all numbers in build/bench/result.json.

First those in User Mode Linux for one processor, then those for two, where there are as many
(bench.py), then those of the host (host.py).

usage: [FULL=1] [BENCH_ROUNDS=N] run.py [MEASURE]...

Measures are the files in measures/, and "host"; all of them are made if none is named.
"""

import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

import host

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build"
RESULT = BUILD / "bench" / "result.json"
TICK = os.sysconf("SC_CLK_TCK")
PROCESSORS = len(os.sched_getaffinity(0))


class Noise:
    """What else the machine did from now on."""

    def __init__(self):
        self._begun = time.monotonic()
        self._busy, self._stolen = self._processors()

    @staticmethod
    def _processors():
        """Seconds that processors worked, and that they could not though there was work."""
        with open("/proc/stat", encoding="ascii") as file:
            user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
        return (user + nice + system + irq + softirq) / TICK, steal / TICK

    def sentence(self):
        busy, stolen = self._processors()
        elapsed = time.monotonic() - self._begun
        own = sum(sum(resource.getrusage(who)[:2])
                  for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        others = max(0.0, busy - self._busy - own) / elapsed
        return (f"in {elapsed:.0f} s, building included, other programs used {others:.0%} of a "
                f"processor, and {(stolen - self._stolen) / elapsed:.0%} was not given to this "
                f"machine; it has {PROCESSORS} processors")


def merge(noise, rows):
    """Adds the host's measures and what noise there was to the other results."""
    if not RESULT.exists():
        sys.exit(f"{RESULT} is missing: make other measures first")
    data = json.loads(RESULT.read_text(encoding="ascii"))
    data["noise"] += f"; {noise}"
    if rows:
        others = [one for one in data["measures"] if not one["id"].startswith("host.")]
        data["measures"] = others + rows
    RESULT.write_text(json.dumps(data, indent=1) + "\n", encoding="ascii")


def in_kernels(names):
    """What is measured in User Mode Linux."""
    RESULT.unlink(missing_ok=True)
    for processors, option in (("1", []), ("2", ["--continue"])):
        if int(processors) > PROCESSORS:
            print("# this machine has one processor: what needs two was not measured")
            break
        command = " ".join(["selftests/bench/bench.py", *option, *names])
        status = subprocess.run([HERE / "uml.sh", command], check=False,
                                env={**os.environ, "BENCH_CPUS": processors}).returncode
        if status:
            sys.exit(status)


def main(names):
    noise = Noise()
    inside = [name for name in names if name != "host"]
    if inside or not names:
        in_kernels(inside)
    rows = []
    if not names or "host" in names:
        rows = host.measures(BUILD / "host-bench", os.environ.get("FULL", "") not in ("", "0"))
        for row in rows:
            print(f"{row['id']:<34} {statistics.median(row['samples']['core']):>9.1f} ns")
    sentence = noise.sentence()
    merge(sentence, rows)
    print(f"# noise: {sentence}")
    print(f"# numbers: {RESULT.relative_to(HERE.parents[1])}; make bench-report draws them")


if __name__ == "__main__":
    main(sys.argv[1:])
