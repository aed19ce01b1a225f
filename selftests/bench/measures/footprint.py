# SPDX-License-Identifier: GPL-2.0
"""How large the modules are, how long loading takes, and what a service and a destination take.

For ip_vs the module itself and one scheduler; what both it and rlvs use besides is not counted.
"""

import ctypes
import os
import time

from configure import BALANCERS
from lab import IP_VS_OPTIONS, RLVS_NEEDS, load, run, unload
from meminfo import Usage, settle

SERVICES, DESTINATIONS, FIRST, PORTS = 500, 2000, 20000, 30000


def path(name):
    if name == "rlvs nat":
        return os.environ["RLVS_KO"]
    return run("modprobe", "-d", os.environ["BENCH_MODULES"], "--show-depends",
               "ip_vs").splitlines()[-1].split()[1]


def sizes(name, results):
    """Of the file, without what describes it for debuggers: the sections that are loaded."""
    text, data, bss = map(int, run("size", path(name)).splitlines()[1].split()[:3])
    results.add("footprint.text", "code and constants of the module", "bytes", name, text)
    results.add("footprint.data", "data of the module", "bytes", name, data + bss)
    with open(f"/sys/module/{name.split()[0]}/coresize", encoding="ascii") as file:
        results.add("footprint.module", "memory of the loaded module", "bytes", name,
                    int(file.read()))


def insert(name):
    """Seconds for the system call that loads the module."""
    options = " ".join(IP_VS_OPTIONS) if name == "ip_vs" else ""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(path(name), "rb") as file:
        begun = time.monotonic()
        failed = libc.syscall(313, file.fileno(), options.encode(), 0)  # finit_module
        seconds = time.monotonic() - begun
    if failed:
        raise SystemExit(f"{path(name)}: {os.strerror(ctypes.get_errno())}")
    return seconds


def loading(name, results):
    load(*RLVS_NEEDS)
    results.add("footprint.load", "time to load the module", "ms", name, insert(name) * 1000)
    sizes(name, results)
    unload(name.split()[0])


def configuration(name, results):
    """Memory by what many of them take in all: slabs, tables and parts for each processor."""
    with BALANCERS[name]() as balancer:
        balancer.service(PORTS, "rr")
        balancer.batch.flush()
        usage = Usage()
        for port in range(PORTS + 1, PORTS + 1 + SERVICES):
            balancer.service(port, "rr")
        balancer.batch.flush()
        settle()
        service, _ = usage.end()
        usage = Usage()
        balancer.service(PORTS - 1, "rr", FIRST, FIRST + DESTINATIONS)
        balancer.batch.flush()
        settle()
        destination, _ = usage.end()
    results.add("footprint.service", "memory for a service with one destination", "bytes", name,
                service / SERVICES)
    results.add("footprint.destination", "memory for a destination", "bytes", name,
                destination / DESTINATIONS)


def measure(_bench, results, plan):
    for _ in range(plan.rounds):
        for name in ("rlvs nat", "ip_vs"):
            loading(name, results)
    for name in ("rlvs nat", "ip_vs"):
        configuration(name, results)
    results.note(f"footprint: memory of {SERVICES} services and {DESTINATIONS} destinations, once,"
                 f" with {os.cpu_count()} processor(s): counters are for each of them")
