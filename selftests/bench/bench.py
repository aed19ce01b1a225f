#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Runs the measures that are named, or all of them, and compares them with what is aimed at.

See Documentation/performance/index.rst. Each is a file in measures/.

usage: [FULL=1] [BENCH_ROUNDS=N] [BENCH_PACKETS=N] bench.py [--continue] [MEASURE]...

A measure is made if the kernel has as many processors as it wants (PROCESSORS, or one).
--continue adds to what is there of another run."""

import dataclasses
import importlib
import os
import platform
import sys
import time

from lab import Bench
from pace import PACE
from results import Results

OUT = "/run/out/result.json"
HERE = os.path.dirname(os.path.abspath(__file__))


@dataclasses.dataclass
class Plan:
    """How long to measure."""

    full: bool
    rounds: int
    # What the generator sends at a time.
    packets: int


def plan():
    full = os.environ.get("FULL", "") not in ("", "0")
    return Plan(full, int(os.environ.get("BENCH_ROUNDS") or (9 if full else 5)),
                int(os.environ.get("BENCH_PACKETS") or (500000 if full else 50000)))


def measures():
    return sorted(name.removesuffix(".py") for name in os.listdir(os.path.join(HERE, "measures"))
                  if name.endswith(".py") and not name.startswith("_"))


def processor():
    """The machine's own: User Mode Linux says what it runs on."""
    with open("/proc/cpuinfo", encoding="ascii") as file:
        found = dict(line.split(":", 1) for line in file if ":" in line)
    found = {key.strip(): value.strip() for key, value in found.items()}
    return os.environ.get("BENCH_PROCESSOR") or found.get("model name", "unknown")


def chosen(names):
    """The modules of the measures that this kernel has the processors for."""
    unknown = set(names) - set(measures())
    if unknown:
        sys.exit(f"no such measure: {' '.join(sorted(unknown))}; there are {' '.join(measures())}")
    modules = {name: importlib.import_module(f"measures.{name}") for name in names or measures()}
    return {name: module for name, module in modules.items()
            if getattr(module, "PROCESSORS", 1) == os.cpu_count()}


def main():
    names = sys.argv[1:]
    goes_on = names[:1] == ["--continue"]
    how = plan()
    results = Results(kernel=platform.release(), processor=processor(), rounds=how.rounds,
                      full=how.full, noise="not known")
    if goes_on:
        results.read(OUT)
        PACE.goes_on(*results.about.get("pace", (0, 0)))
    # Another run may go on with it, though this one has no measure to make.
    results.write(OUT)
    bench = Bench()
    for name, module in chosen(names[1:] if goes_on else names).items():
        begun = time.monotonic()
        module.measure(bench, results, how)
        print(f"# {name}: {time.monotonic() - begun:.0f} s", flush=True)
        results.finish()
        results.about["pace"] = PACE.again, PACE.slow
        results.about["noise"] = "; ".join([results.noise(), PACE.sentence(),
                                            os.environ.get("BENCH_LOAD", "")])
        results.write(OUT)
    for line in results.table():
        print(line, flush=True)


main()
