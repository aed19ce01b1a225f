# SPDX-License-Identifier: GPL-2.0
"""Network namespaces that live exactly as long as the test that made them.

A namespace here has no name in the file system: the test's process holds it by
a file descriptor, so that it goes away with the process however that ends.
Sockets stay in the namespace they were made in; therefore one process can
hold the clients and the servers of several hosts.
"""

import ctypes
import os
import subprocess

from lib.ktap import Failure, seconds

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _call(function, *arguments):
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function.__name__}: {os.strerror(number)}")


class Namespace:
    """A network namespace. `with namespace:` moves the calling thread into it."""

    def __init__(self):
        before = self._current()
        _call(_libc.unshare, CLONE_NEWNET)
        self.fd = self._current()
        _call(_libc.setns, before, CLONE_NEWNET)
        os.close(before)
        self._before = []
        self.ip("link set lo up")

    @staticmethod
    def _current():
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    @property
    def path(self):
        """A path that `ip ... netns` takes while this process lives."""
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    def __enter__(self):
        self._before.append(self._current())
        _call(_libc.setns, self.fd, CLONE_NEWNET)
        return self

    def __exit__(self, *_):
        before = self._before.pop()
        _call(_libc.setns, before, CLONE_NEWNET)
        os.close(before)

    def close(self):
        """Lets the namespace go; the kernel removes it once no socket holds it."""
        os.close(self.fd)

    def run(self, *command, limit=20, **options):
        """Runs a program here, with its output captured as text."""
        with self:
            return subprocess.run(command, capture_output=True, text=True,
                                  timeout=seconds(limit), check=False, **options)

    def must(self, *command, **options):
        """Runs a program here that has to succeed, and returns what it printed."""
        done = self.run(*command, **options)
        if done.returncode != 0:
            raise Failure(f"{' '.join(command)}: status {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def ip(self, *lines):
        """Gives several lines to one `ip -batch`: starting programs is what takes time."""
        self.must("ip", "-batch", "-", input="\n".join(lines) + "\n")

    def sysctl(self, name, value):
        """Sets a sysctl of this namespace, for example net.ipv4.ip_forward."""
        with self, open("/proc/sys/" + name.replace(".", "/"), "w", encoding="ascii") as file:
            file.write(str(value))

    def netstat(self, name):
        """Returns one of the kernel's counters of TCP, as nstat(8) has them."""
        lines = self.read("/proc/thread-self/net/netstat").splitlines()
        names, values = (line.split() for line in lines if line.startswith("TcpExt:"))
        return int(values[names.index(name)])

    def unlimit_icmp(self):
        """Makes it send an error for every packet that is worth one."""
        self.sysctl("net.ipv4.icmp_ratelimit", 0)
        self.sysctl("net.ipv4.icmp_msgs_per_sec", 100000)
        self.sysctl("net.ipv6.icmp.ratelimit", 0)

    def read(self, path):
        """Reads a file that depends on the namespace, such as /proc/thread-self/net/snmp."""
        with self, open(path, encoding="ascii") as file:
            return file.read()


class Named(Namespace):
    """One that `ip netns add` has made."""

    def __init__(self, name):  # pylint: disable=super-init-not-called; nothing is made
        self.fd = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        self._before = []
