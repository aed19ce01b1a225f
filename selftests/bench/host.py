# SPDX-License-Identifier: GPL-2.0
"""What the core's decisions cost on the host, as criterion finds it (selftests/bench/core)."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

CRATE = pathlib.Path(__file__).parent / "core"
TITLES = {
    "pick": "the scheduler {0} picks one of {1} destinations, on the host",
    "packet": "{1} of a {0} packet, on the host",
}
# Of each benchmark, in seconds; without it what main.rs says.
LONG = ["--warm-up-time", "0.5", "--measurement-time", "2", "--sample-size", "30"]


def _cargo(build, *arguments, before=()):
    command = ["cargo", "bench", "--quiet", "--locked", "--manifest-path", CRATE / "Cargo.toml"]
    done = subprocess.run([*before, *command, *arguments], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, "CARGO_TARGET_DIR": str(build)})
    if done.returncode:
        sys.exit(f"{done.stdout}\n{' '.join(map(str, command))}: status {done.returncode}")


def _found(folder):
    """(group, function, [nanoseconds]) of all benchmarks, in an order that stays."""
    rows = []
    for path in pathlib.Path(folder).glob("*/*/new/sample.json"):
        group, function = path.parts[-4:-2]
        data = json.loads(path.read_text(encoding="ascii"))
        times = [time / count for time, count in zip(data["times"], data["iters"])]
        rows.append((group, function, times))
    return sorted(rows, key=lambda row: (row[0], row[1].zfill(8)))


def _entry(group, function, times):
    kind, _, what = group.partition(".")
    return {"id": f"host.{group}.{function}",
            "title": TITLES[kind].format(what, function.replace("_", " and ")),
            "unit": "ns", "samples": {"core": times}, "targets": []}


def measures(build, full):
    """All of them, in the shape of results.py: each sample of criterion's is one, and the
    contender is "core". Cargo builds in the folder `build`."""
    build = pathlib.Path(build)
    _cargo(build, "--no-run")
    shutil.rmtree(build / "criterion", ignore_errors=True)
    processor = str(max(os.sched_getaffinity(0)))
    _cargo(build, "--", "--quiet", *(LONG if full else []), before=("taskset", "-c", processor))
    rows = [_entry(*row) for row in _found(build / "criterion")]
    if not rows:
        sys.exit("criterion has left no results")
    return rows
