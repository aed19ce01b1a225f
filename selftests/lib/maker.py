# SPDX-License-Identifier: GPL-2.0
"""An ordinary user with namespaces of its own, in a control group of its own.

The user's process does what it is asked: a line of its input is an expression, whose value it
writes back. What it has the kernel allocate can be seen in the group's memory.stat.
"""

import ast
import contextlib
import os
import subprocess
import sys
from pathlib import Path

from lib.ktap import Skip, check, scale, seconds

NOBODY = "65534"
COMMAND = "rlvs-maker"  # the name of its process: see kernel.py
ROOT = Path("/sys/fs/cgroup")
SELFTESTS = Path(__file__).resolve().parents[1]
KIB = 1024


def mount():
    """Mounts version 2 of control groups with the memory controller, or skips the subtest."""
    if not ROOT.is_dir():
        raise Skip("this kernel has no control groups")
    if not (ROOT / "cgroup.controllers").exists():
        subprocess.run(["mount", "-t", "cgroup2", "cgroup2", str(ROOT)], check=True)
    if "memory" not in (ROOT / "cgroup.controllers").read_text(encoding="ascii").split():
        raise Skip("this kernel has no memory controller")
    (ROOT / "cgroup.subtree_control").write_text("+memory", encoding="ascii")


class Maker:
    """The user. With `memory_max` bytes the group has this limit from the start."""

    made = 0

    def __init__(self, memory_max=None):
        mount()
        Maker.made += 1
        self._has_limit = memory_max is not None
        self.group = ROOT / f"{COMMAND}-{os.getpid()}-{Maker.made}"
        self.group.mkdir()
        if memory_max is not None:
            self.set("memory.max", memory_max)
        script = f"""
            echo $$ > {self.group}/cgroup.procs
            exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups \\
                unshare --user --map-root-user --net {sys.executable} -c \\
                'from lib.maker import serve; serve()'"""
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with; see close()
            ["sh", "-ec", script], cwd=SELFTESTS, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"RLVS_SCALE": str(scale())})  # which the user cannot find out
        self.ask("None")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        self.group.rmdir()

    def end(self):
        """Ends the process, and with it the namespace."""
        with contextlib.suppress(BrokenPipeError):  # of what was not written to one that was killed
            self.process.stdin.close()
        self.process.wait(seconds(10))

    def ask(self, expression):
        """Returns the value of an expression in the user's process, where `director` is its
        namespace's; None if the process was killed, as one whose group has a limit may be."""
        line = ""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(expression + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        check(line or self._has_limit, "the user's process has ended")
        return ast.literal_eval(line) if line else None

    def allow(self, name, value):
        """Sets a bound in the user's namespace, as the host's root."""
        subprocess.run(["nsenter", "--net", "--target", str(self.process.pid), "sh", "-ec",
                        f"echo {value} > /proc/sys/net/ipv4/vs/{name}"], check=True)

    def set(self, name, value):
        """Writes to one of the group's files."""
        (self.group / name).write_text(str(value), encoding="ascii")

    def number(self, name):
        """Returns what is in one of the group's files."""
        return int((self.group / name).read_text(encoding="ascii"))

    def events(self):
        """Returns the group's memory.events."""
        return _table(self.group / "memory.events")

    def kernel(self):
        """Returns bytes of kernel memory charged to the group, up to date within two seconds."""
        return _table(self.group / "memory.stat")["kernel"]


def _table(path):
    lines = path.read_text(encoding="ascii").splitlines()
    return {name: int(value) for name, value in (line.split() for line in lines)}


def host():
    """Returns the bytes of memory that the host's kernel takes in slabs and for each CPU."""
    with open("/proc/meminfo", encoding="ascii") as file:
        found = {line.split(":")[0]: int(line.split()[1]) for line in file}
    return (found["Slab"] + found["Percpu"]) * KIB


# The user's side.


def serve():
    """Answers until the input ends."""
    from lib import genl  # pylint: disable=import-outside-toplevel; the test has no use for these
    from lib.lab import TCP4, TCP6, UDP4  # pylint: disable=import-outside-toplevel

    Path("/proc/self/comm").write_text(COMMAND, encoding="ascii")
    here = contextlib.nullcontext()
    director = genl.Director(here)
    names = genl.N

    def answer(got):
        """Returns an error, or None for what was granted."""
        return (got.errno, got.text) if isinstance(got, genl.Error) else None

    def service(port, flow=TCP4):
        """Adds a service."""
        return answer(director.request(names["RLVS_CMD_SERVICE_ADD"],
                                       genl.service(flow, port, scheduler="wrr")))

    def services(first, count):
        """Adds services until one is refused; returns (how many, the error)."""
        for port in range(first, first + count):
            refused = service(port)
            if refused:
                return port - first, refused
        return count, None

    def destinations(port, first, last, flow=TCP4):
        """Adds destinations of a service."""
        return answer(director.request(
            names["RLVS_CMD_DESTINATION_ADD"],
            genl.destination(genl.service(flow, port), first, last)))

    def delete(port, flow=TCP4):
        """Deletes a service."""
        return answer(director.request(names["RLVS_CMD_SERVICE_DEL"], genl.service(flow, port)))

    def write(name, value):
        """Writes a setting; returns the error's name, or None."""
        try:
            Path("/proc/sys/net/ipv4/vs", name).write_text(str(value), encoding="ascii")
        except OSError as error:
            return error.errno
        return None

    def read(name):
        """Returns what is in the file of a setting."""
        return Path("/proc/sys/net/ipv4/vs", name).read_text(encoding="ascii").strip()

    scope = {"director": director, "service": service, "services": services,
             "destinations": destinations, "delete": delete, "write": write, "read": read,
             "TCP4": TCP4, "TCP6": TCP6, "UDP4": UDP4}
    for line in sys.stdin:
        print(repr(eval(line, scope)), flush=True)  # pylint: disable=eval-used; the test's own


