# SPDX-License-Identifier: GPL-2.0
"""The module loads and unloads at any time, with services, connections and traffic."""

import contextlib
import mmap
import os
import signal
import struct
import subprocess
import time

from lib import kernel
from lib.clients import refusal, talk
from lib.ktap import Failure, check, each, equal, wait_until
from lib.lab import FLOWS, TCP, TCP4, UDP6

WITHOUT_MODULE = True
LIMIT = 7200 if os.environ.get("FULL") else 900
RCU_EXPEDITED = "/sys/kernel/rcu_expedited"


class Traffic:
    """Conversations that begin all the time, on every processor, whether anybody answers or not.

    Each runs in a process of its own, as threads of one would share a processor.
    """

    def __init__(self, lab):
        self._counts = mmap.mmap(-1, 4096)
        self._children = []
        for cpu in sorted(os.sched_getaffinity(0)):
            for where in (lab.client, lab.lb):
                slot = len(self._children)
                child = os.fork()
                if child == 0:
                    self._work(slot, cpu, where)
                self._children.append(child)

    def _work(self, slot, cpu, where):
        os.sched_setaffinity(0, {cpu})
        tried = done = 0
        while True:
            tried += 1
            flow = (TCP4, UDP6)[(tried + slot) % 2]
            try:
                with talk(where, flow, limit=0.3) as conversation:
                    conversation.bulk(5_000)
                done += 1
                struct.pack_into("=I", self._counts, 4 * slot, done)
            except (OSError, Failure):
                pass  # the module has just gone, or is not there yet
            except BaseException:  # pylint: disable=broad-except; nothing may escape a fork
                os._exit(1)
            time.sleep(0.05)  # insmod and rmmod are to have a processor too

    def served(self):
        """The conversations that each process has had."""
        return struct.unpack_from(f"={len(self._children)}I", self._counts)

    def stop(self):
        """Ends the traffic; no process may have ended before."""
        for child in self._children:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            equal(os.waitstatus_to_exitcode(status), -signal.SIGKILL, "how the traffic ended")


@contextlib.contextmanager
def hurried_grace_periods():
    """What unloading waits for comes as early as it may: the harsher order, and more rounds."""
    with open(RCU_EXPEDITED, "r+", encoding="ascii") as file:
        before = file.read()
        file.write("1")
    try:
        yield
    finally:
        with open(RCU_EXPEDITED, "w", encoding="ascii") as file:
            file.write(before)


def set_up(lab):
    """Services as somebody would have them who now wants the module gone."""
    for flow in (TCP4, UDP6):
        lab.balance(flow)


def rounds(lab, traffic, number):
    """Loads the module, waits until the traffic is served, and unloads it, so many times."""
    begun = time.monotonic()
    for done in range(1, number + 1):
        kernel.insert()
        set_up(lab)
        before = traffic.served()
        wait_until(lambda b=before: sum(map(int.__gt__, traffic.served(), b)) > len(b) // 2,
                   "most processes are served")
        kernel.remove()
        check(not kernel.loaded(), "the module is still loaded")
        if done % 20 == 0:
            print(f"    # {done} rounds, {time.monotonic() - begun:.0f} s", flush=True)


def test_many_times_under_traffic(lab):
    if kernel.loaded():
        kernel.remove()
    for flow in (TCP4, UDP6):
        lab.servers.listen(flow, range(8001, 8005))
    traffic = Traffic(lab)
    try:
        with hurried_grace_periods():
            rounds(lab, traffic, 1000 if os.environ.get("FULL") else 50)
    finally:
        traffic.stop()
        if not kernel.loaded():
            kernel.insert()


def test_without_it_everything_is_as_before(lab):
    """No hook, no netlink family and no answer on the service's port is left."""
    for flow in FLOWS:
        lab.servers.listen(flow, range(8001, 8005))
        lab.balance(flow)
        talk(lab.client, flow).close()
    kernel.remove()
    try:
        for flow in FLOWS:
            equal(refusal(lab.client, flow), "refused", f"a connection to the {flow} service")
            with talk(lab.client, flow, 8001) as straight:
                straight.bulk(20_000)
        done = lab.try_rlvs("list")
        equal(done.returncode, 1, "exit status of rlvs without the module")
        check("not loaded" in done.stderr, f"rlvs does not say what is missing: {done.stderr}")
    finally:
        kernel.insert()
    equal(lab.services(), [], "services of the module when it is back")


@each(TCP)
def test_live_connections_do_not_hold_it(lab, flow):
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    held = [talk(where, flow) for where in (lab.client, lab.lb)]
    kernel.remove()
    kernel.insert()
    for conversation in held:
        conversation.close(reset=True)


def test_two_at_once_is_refused():
    """The usual message of insmod for what is loaded already, and no harm done."""
    if not kernel.loaded():
        kernel.insert()
    done = subprocess.run(["insmod", kernel.module_path()], capture_output=True, check=False)
    check(done.returncode != 0, "the module was loaded twice")
    check(kernel.loaded(), "the module is gone")
