#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Loads that wait for stores: what a processor cannot forward from one store to a load.

Of a module's functions it names the loads from the stack of bytes that more than one of the last
instructions have stored, or fewer bytes than are loaded. The load waits until these stores are in
the cache, and so does what comes after it. It happens where a value is built of pieces and moved in
others. Only what is written in a straight line is looked at: a hit on a way that is never taken
means nothing.

usage: stalls.py rlvs.ko [PART_OF_A_FUNCTION'S_NAME...]
"""

import re
import subprocess
import sys

# Instructions after which a store is taken for done.
RECENT = 70
SUFFIXES = {"b": 1, "w": 2, "l": 4, "q": 8}
STORE = re.compile(r"(.*),(-?0x[0-9a-f]+)?\((%r[sb]p)\)$")
LOAD = re.compile(r"(-?0x[0-9a-f]+)?\((%r[sb]p)\),(%\w+)$")
LOADING = ("mov", "cmp", "test", "or", "and", "add", "xor")


def register_size(name):
    """Bytes of a register of x86-64."""
    name = name.strip("%")
    if re.fullmatch(r"[abcd]l|[sd]il|[sb]pl|r\d+b", name):
        return 1
    if re.fullmatch(r"[abcd]x|[sd]i|[sb]p|r\d+w", name):
        return 2
    if re.fullmatch(r"e\w\w|r\d+d", name):
        return 4
    return 8


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def functions(module, parts):
    """Names, addresses and sizes of the functions that have all these parts in their names."""
    for line in run("nm", "-S", module).splitlines():
        fields = line.split()
        if len(fields) == 4 and fields[2] in "tT" and all(part in fields[3] for part in parts):
            yield fields[3], int(fields[0], 16), int(fields[1], 16)


def instructions(module, start, size):
    text = run("objdump", "-d", "--no-show-raw-insn", f"--start-address={start}",
               f"--stop-address={start + size}", module)
    for line in text.splitlines():
        found = re.match(r"\s*([0-9a-f]+):\s+(\S+)\s*(.*)", line)
        if found:
            yield found.groups()


def loaded(operation, register):
    """Bytes that an instruction loads."""
    if operation.startswith("movz"):
        return SUFFIXES.get(operation[4:5], 4)
    return register_size(register)


def stalls(code):
    """The loads that wait: address, instruction, and offset and size of the stores."""
    stores = []
    for number, (address, operation, operands) in enumerate(code):
        store = STORE.match(operands)
        if store and operation.startswith("mov") and not operation.startswith(("movs", "movz")):
            source, offset, base = store.groups()
            size = register_size(source) if source.startswith("%") else SUFFIXES.get(
                operation[-1], 8)
            stores.append((number, base, int(offset or "0", 16), size))
            continue
        load = LOAD.match(operands)
        if not load or not operation.startswith(LOADING):
            continue
        offset, base, register = load.groups()
        first, size = int(offset or "0", 16), loaded(operation, register)
        hits = [(at, length) for when, where, at, length in stores
                if where == base and at < first + size and first < at + length
                and number - when < RECENT]
        if hits and not (hits[-1][0] <= first and first + size <= sum(hits[-1])):
            yield address, f"{operation} {operands}", hits[-3:]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__.strip())
    module, *parts = sys.argv[1:]
    for name, start, size in functions(module, parts):
        for address, instruction, stores in stalls(instructions(module, start, size)):
            pieces = ", ".join(f"{length} at {at:#x}" for at, length in stores)
            print(f"{name}\n    {address}: {instruction}    after {pieces}")


if __name__ == "__main__":
    main()
