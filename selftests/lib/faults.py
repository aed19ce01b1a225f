# SPDX-License-Identifier: GPL-2.0
"""Allocations that fail on purpose: the kernel's failslab, for what the module allocates.

Documentation/fault-injection/fault-injection.rst in the kernel. Only allocations whose stack
trace goes through the module's code are counted and failed, so that the test is about the
module, not about the netlink and socket code around it.
"""

import contextlib
import os

from lib.ktap import Skip

FAILSLAB = "/sys/kernel/debug/failslab"

# Where x86 has modules, of which one that is being loaded is not listed yet.
MODULES = 0xFFFFFFFFA0000000, 0xFFFFFFFFFF000000


def need():
    """Skips the subtest on a kernel without fault injection."""
    if not os.path.exists(f"{FAILSLAB}/require-start"):
        raise Skip("this kernel has no fault injection")


def _set(name, value):
    with open(f"{FAILSLAB}/{name}", "w", encoding="ascii") as file:
        file.write(str(value))


def _module_range(name):
    with open("/proc/modules", encoding="ascii") as file:
        for line in file:
            words = line.split()
            if words[0] == name:
                start = int(words[5], 16)
                return start, start + int(words[1])
    raise LookupError(f"no module {name}")


def prepare(loaded=True):
    """Sets what counts: allocations below the module, or below any if it is not loaded yet."""
    start, end = _module_range("rlvs") if loaded else MODULES
    for name, value in (("probability", 0), ("times", -1), ("interval", 1), ("space", 0),
                        ("verbose", 0), ("task-filter", "N"), ("ignore-gfp-wait", "N"),
                        ("cache-filter", "N"), ("stacktrace-depth", 32),
                        ("reject-start", 0), ("reject-end", 0),
                        ("require-start", hex(start)), ("require-end", hex(end))):
        _set(name, value)


@contextlib.contextmanager
def everywhere(probability=100):
    """Makes this share, in percent, of the module's allocations fail meanwhile, in any context."""
    _set("probability", probability)
    try:
        yield
    finally:
        _set("probability", 0)


class Nth:
    """Lets the Nth allocation of this thread fail."""

    def __init__(self):
        self._file = os.open("/proc/thread-self/fail-nth", os.O_RDWR)

    def attempt(self, number, action):
        """Calls the action while the allocation of this number fails. Returns what it returned or
        the OSError it raised, and whether there was such an allocation."""
        os.write(self._file, b"%d" % number)
        try:
            outcome = action()
        except OSError as error:
            outcome = error
        finally:
            left = int(os.pread(self._file, 16, 0))
            os.write(self._file, b"0")
        return outcome, left == 0

    def close(self):
        """Ends the use."""
        os.close(self._file)
