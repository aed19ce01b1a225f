# SPDX-License-Identifier: GPL-2.0
"""The same steps against ip_vs and then against rlvs, in the same guest and namespaces.

A step is the arguments of one `ipvsadm`, a list of such for one `ipvsadm --restore`, which is
quicker, a file of /proc to read, or a function that gets the lab and makes traffic. What comes of it
is what a user sees: status, which is mode and owner of a file; output; complaints.
"""

import collections
import os
import re
import stat
import subprocess

from lib import kernel
from lib.ktap import Skip, check, equal, seconds, wait_until

Outcome = collections.namedtuple("Outcome", "step status output complaint")


def load_ip_vs(*schedulers):
    """Loads ip_vs in the place of rlvs."""
    if kernel.loaded():
        kernel.remove()
    try:
        for name in ("ip_vs", *(f"ip_vs_{scheduler}" for scheduler in schedulers)):
            kernel.need(name)
    except Skip:
        kernel.insert()
        raise


def unload_ip_vs(lab):
    """Unloads ip_vs, and all that it has loaded."""
    lab.lb.must("ipvsadm", "-C")

    def unloaded():
        with open("/proc/modules", encoding="ascii") as file:
            names = [line.split()[0] for line in file]
        found = [name for name in names if name.startswith("ip_vs_")]
        subprocess.run(["rmmod", *found, "ip_vs"], capture_output=True, timeout=seconds(30),
                       check=False)
        return not kernel.loaded("ip_vs")
    wait_until(unloaded, "ip_vs is unloaded")


def without_size(text):
    """Leaves out the size of the connection table, which each module chooses for itself."""
    return re.sub(r"\(size=\d+\)", "(size=N)", text)


class Play:
    """Groups of steps by name, and what ip_vs has made of them. Files that are private here may be
    read by root alone, unlike ip_vs's."""

    def __init__(self, groups, mask=without_size, private=()):
        self.groups = groups
        self._mask = mask
        self._private = private
        self._of_ip_vs = {}

    def play(self, lab, name):
        """Returns what comes of each step of a group; nothing is left of it afterwards."""
        outcomes, saved = [], None
        for step in self.groups[name]:
            if callable(step):
                step(lab)
                continue
            if isinstance(step, list):
                lab.lb.must("ipvsadm", "--restore", input="\n".join(step) + "\n")
                continue
            if step.startswith("/proc/"):
                with lab.lb:
                    found = os.stat(step)
                status = oct(found.st_mode), found.st_uid, found.st_gid
                outcomes.append(Outcome(step, status, self._mask(lab.lb.read(step)), ""))
                continue
            done = lab.lb.run("ipvsadm", *step.split(), input=saved if step == "-R" else "")
            if step.startswith("-S"):
                saved = done.stdout
            outcomes.append(Outcome(step, done.returncode, self._mask(done.stdout),
                                    done.stderr.strip()))
        lab.lb.must("ipvsadm", "-C")
        lab.lb.must("ipvsadm", "--set", "900", "120", "300")
        lab.servers.close_all()
        return outcomes

    def of_ip_vs(self, lab, name):
        """Returns what ip_vs makes of a group. All are played at once, as loading takes time."""
        if not self._of_ip_vs:
            load_ip_vs()
            try:
                for group, steps in self.groups.items():
                    # Its connections would stay for the next.
                    if any(callable(step) for step in steps):
                        unload_ip_vs(lab)
                        load_ip_vs()
                    self._of_ip_vs[group] = self.play(lab, group)
            finally:
                unload_ip_vs(lab)
                kernel.insert()
        return self._of_ip_vs[name]

    def compare(self, lab, name):
        """Checks that rlvs makes the same of each step."""
        wanted = self.of_ip_vs(lab, name)
        got = self.play(lab, name)
        for ours, theirs in zip(got, wanted, strict=True):
            what = f"`ipvsadm {ours.step}`" if ours.step[0] == "-" else ours.step
            is_private = ours.step in self._private
            status = (oct(stat.S_IFREG | 0o440), 0, 0) if is_private else theirs.status
            equal(ours.status, status,
                  f"the status of {what}, which said {ours.complaint!r}")
            equal(ours.complaint, theirs.complaint, f"what {what} says to stderr")
            equal(ours.output.splitlines(), theirs.output.splitlines(), f"the output of {what}")
        check(any(o.output for o in wanted) or any(o.complaint for o in wanted),
              f"{name}: nothing was said that could be compared")
        return wanted
