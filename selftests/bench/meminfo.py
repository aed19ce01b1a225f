# SPDX-License-Identifier: GPL-2.0
"""How much memory the kernel uses, and for what."""

import contextlib
import os
import time

PAGE = os.sysconf("SC_PAGE_SIZE")


def slabs():
    """Bytes in the slabs of each cache, with what is free in them."""
    found = {}
    with open("/proc/slabinfo", encoding="ascii") as file:
        for line in file.readlines()[2:]:
            fields = line.split()
            # name, objects in use, objects, size, objects per slab, pages per slab, ...,
            # slabs in use, slabs
            found[fields[0]] = int(fields[14]) * int(fields[5]) * PAGE
    return found


def used():
    """Bytes in slabs and larger pieces, in vmalloc's, and for each processor.

    MemFree does not tell: it leaves out the free pages that a processor keeps.
    """
    with open("/proc/meminfo", encoding="ascii") as file:
        info = {key: int(rest.split()[0]) * 1024
                for key, rest in (line.split(":", 1) for line in file)}
    return info["Slab"] + info["VmallocUsed"] + info["Percpu"]


def shrink():
    """Frees what caches keep."""
    for name in os.listdir("/sys/kernel/slab"):
        # A cache may just go away with its module; links are other names of the same.
        path = f"/sys/kernel/slab/{name}/shrink"
        if not os.path.islink(os.path.dirname(path)):
            with contextlib.suppress(FileNotFoundError), open(path, "w", encoding="ascii") as file:
                file.write("1")


def settle():
    """Waits until nothing is freed any more by callbacks and work items."""
    before = None
    for _ in range(20):
        shrink()
        now = used()
        if before is not None and abs(now - before) < 64 * 1024:
            return
        before = now
        time.sleep(0.2)


class Usage:
    """What has been taken since a moment at which nothing was left of what was before."""

    def __init__(self):
        settle()
        self.slabs, self.used = slabs(), used()

    def end(self):
        """Bytes in all; and in the slabs of each cache. One that has grown by little is left out, as
        somebody else's: reading /proc takes memory too."""
        now, total = slabs(), used() - self.used
        grown = {name: size - self.slabs.get(name, 0) for name, size in now.items()}
        return total, {name: size for name, size in grown.items() if size >= 64 * PAGE}
