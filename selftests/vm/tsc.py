#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Prints the frequency of this machine's time stamp counter in kHz.

QEMU gives an emulated processor this very counter. A guest that measures its frequency
gets it wrong by a third, or by three times on a busy machine, and its time runs too fast.
"""

import ctypes
import mmap
import platform
import sys
import time

# rdtsc; shl rdx, 32; or rax, rdx; ret
READ_COUNTER = bytes.fromhex("0f31 48c1e220 4809d0 c3")
INTERVAL, TRIES = 0.2, 50


def reader():
    """A function that reads the counter."""
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(READ_COUNTER)
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    read = ctypes.CFUNCTYPE(ctypes.c_uint64)(address)
    read.keep = code
    return read


def moment(read):
    """The counter and the time in ns at one moment: of several tries the least disturbed."""
    found = []
    for _ in range(TRIES):
        before, ticks, after = time.monotonic_ns(), read(), time.monotonic_ns()
        found.append((after - before, ticks, (before + after) // 2))
    return min(found)[1:]


def main():
    """Measures, on a processor that has such a counter."""
    if platform.machine() != "x86_64":
        return 1
    read = reader()
    ticks, begun = moment(read)
    time.sleep(INTERVAL)
    more, ended = moment(read)
    print(round((more - ticks) * 1_000_000 / (ended - begun)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
