# SPDX-License-Identifier: GPL-2.0
"""rlvs takes the place of ip_vs: it does not load beside it, and says why."""

import subprocess

from lib import kernel
from lib.ktap import Failure, Skip, check, equal
from lib.lab import Lab

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
