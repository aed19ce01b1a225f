# SPDX-License-Identifier: GPL-2.0
"""The kernel's side of the tests: its log, its modules, its leak detector."""

import functools
import os
import re
import subprocess
import time

from lib.ktap import Failure, Skip, seconds
from lib.lab import module_path

# What a healthy kernel never says. A test during which it does has failed.
SPLAT = re.compile(
    r"\bBUG:|\bWARNING:|KASAN:|UBSAN:|\bOops|general protection|Kernel panic|Call Trace|"
    r"possible (circular|recursive|irq)|inconsistent lock state|lock held|suspicious RCU|"
    r"rcu.*stall|soft lockup|hard LOCKUP|blocked for more than|refcount_t|ref_tracker|"
    r"scheduling while atomic|sleeping function|ODEBUG|rust_kernel: panicked|"
    r"hw csum failure|unregister_netdevice: waiting|list_(add|del) corruption")

# What a healthy kernel logs with a stack trace: that memory was too short for a slab cache, and
# that a process of a test (maker.py) ends because its control group has a limit.
_NO_MEMORY = re.compile(r"^__kmem_cache_create_args\(rlvs_\w+\) failed with error -\d+|"
                        r"^rlvs-maker invoked oom-killer:")
_TRACE_ENDS = "</TASK>"

KMEMLEAK = "/sys/kernel/debug/kmemleak"
KMEMLEAK_MIN_AGE = 5  # seconds; it does not report younger objects


class Log:
    """The kernel log from the moment this was made."""

    def __init__(self):
        self._file = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self._file, 0, os.SEEK_END)

    def lines(self):
        """Returns the messages since the last call."""
        found = []
        while True:
            try:
                record = os.read(self._file, 8192).decode("utf-8", "replace")
            except BlockingIOError:
                return found
            except BrokenPipeError:
                found.append("(messages were lost: the log ran over)")
                continue
            # "priority,sequence,time,flags;text", then lines of key=value pairs.
            found.append(record.partition(";")[2].split("\n")[0])

    def splats(self):
        """Returns the messages since the last call if one of them is a complaint of the kernel."""
        lines = self.lines()
        return lines if any(SPLAT.search(line) for line in _without_traces(lines)) else []


def _without_traces(lines):
    """Returns the messages without the stack traces of what memory was too short for."""
    skips = False
    for line in lines:
        skips = skips or _NO_MEMORY.search(line) is not None
        if not skips:
            yield line
        skips = skips and line.strip() != _TRACE_ENDS


def loaded(name="rlvs"):
    """Returns whether a module is loaded."""
    with open("/proc/modules", encoding="ascii") as file:
        return any(line.split()[0] == name for line in file)


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True,
                          timeout=seconds(30), check=False)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: {done.stderr.strip()}")


def insert():
    """Loads the module under test, and first the kernel's own modules that it needs."""
    _load_dependencies()
    _run("insmod", module_path())


@functools.cache
def _load_dependencies():
    """Loads what the module needs, once: it stays when the module goes."""
    done = subprocess.run(["modinfo", "-F", "depends", module_path()], capture_output=True,
                          text=True, check=True)
    names = [name for name in done.stdout.strip().split(",") if name]
    if names:
        _run("modprobe", "-a", *names)


def need(name):
    """Loads one of the kernel's own modules, or skips the subtest."""
    done = subprocess.run(["modprobe", name], capture_output=True, text=True,
                          timeout=seconds(30), check=False)
    if done.returncode != 0:
        raise Skip(f"this kernel has no module {name}")


def remove():
    """Unloads the module under test."""
    _run("rmmod", "rlvs")


def scan_for_leaks():
    """Makes kmemleak look twice, as one look can miss and can mistake; returns its report."""
    for _ in range(2):
        time.sleep(KMEMLEAK_MIN_AGE)
        with open(KMEMLEAK, "w", encoding="ascii") as file:
            file.write("scan")
    with open(KMEMLEAK, encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()


def forget_leaks():
    """Clears the leaks from before the tests, which are not the module's."""
    with open(KMEMLEAK, "w", encoding="ascii") as file:
        file.write("scan")
    with open(KMEMLEAK, "w", encoding="ascii") as file:
        file.write("clear")
