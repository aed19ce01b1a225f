# SPDX-License-Identifier: GPL-2.0
"""rlvs and ip_vs do not load beside each other, and the log says why."""

import subprocess

from lib import kernel
from lib.clients import talk
from lib.ktap import Failure, Skip, check, equal
from lib.lab import TCP4, Lab

WITHOUT_MODULE = True


def test_refused_while_ip_vs_is_loaded():
    if kernel.loaded():
        kernel.remove()
    done = subprocess.run(["modprobe", "ip_vs"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        kernel.insert()
        raise Skip(f"modprobe ip_vs: {done.stderr.strip()}")
    log = kernel.Log()
    try:
        kernel.insert()
        outcome = "loaded"
    except Failure as failure:
        outcome = str(failure)
    said = [line for line in log.lines() if "rlvs" in line]
    still_there = kernel.loaded()
    if still_there:
        kernel.remove()
    subprocess.run(["rmmod", "ip_vs"], check=True)
    check(outcome != "loaded", "the module was loaded beside ip_vs")
    check(not still_there, "insmod failed, and yet the module is there")
    check(any("ip_vs" in line for line in said), f"the log does not name ip_vs: {said}")


def test_works_once_ip_vs_is_gone():
    if not kernel.loaded():
        kernel.insert()
    lab = Lab()
    equal(lab.services(), [], "services")


def test_ip_vs_is_refused_while_rlvs_is_loaded():
    """It leaves nothing behind, the kernel does not complain, and rlvs goes on as before."""
    if not kernel.loaded():
        kernel.insert()
    lab = Lab()
    lab.servers.listen(TCP4, [8001])
    lab.balance(TCP4, ports="8001")
    log = kernel.Log()
    with talk(lab.client, TCP4) as conversation:
        for name in ("ip_vs", "ip_vs_rr"):
            done = subprocess.run(["modprobe", name], capture_output=True, text=True, check=False)
            check(done.returncode != 0, f"modprobe {name} has succeeded")
            check(not kernel.loaded("ip_vs"), "ip_vs is loaded beside rlvs")
        conversation.say(b"still there?")
    said = log.lines()
    check(any("ip_vs" in line and "rlvs" in line for line in said),
          f"the log does not tell why: {said}")
    equal([line for line in said if kernel.SPLAT.search(line)], [], "complaints")
    talk(lab.client, TCP4).close()
    for name in ("ip_vs", "ip_vs_conn", "ip_vs_conn_sync", "ip_vs_stats", "ip_vs_stats_percpu"):
        check(lab.lb.read(f"/proc/thread-self/net/{name}"), f"{name} is empty")
    shown = lab.lb.must("ipvsadm", "-Ln", "-t", f"{TCP4.vip}:80")
    check(f"{TCP4.vip}:8001" in shown, f"ipvsadm shows: {shown}")
