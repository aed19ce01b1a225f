# SPDX-License-Identifier: GPL-2.0
"""Adds many services and destinations, of rlvs and of ip_vs, by netlink.

Starting a program for each would take long.
"""

import contextlib
import os
import resource
import socket
import struct
import sys

from lab import (IP_VS_OPTIONS, PROCESS, RLVS_NEEDS, UNCOUNTED, VIP, listening, load, modules,
                 run, unload)
from lib import genl, ipvs

N = genl.N


class Ends:
    """What the libraries want to know of a TCP flow over IPv4."""

    number, family, version = socket.IPPROTO_TCP, socket.AF_INET, 4
    vip = VIP[4]


def weight_for(scheduler):
    """That of each destination: one of ovf's takes only as many connections as its weight."""
    return 65535 if scheduler == "ovf" else 1


class Batch:
    """Many messages at a time, of which the kernel acknowledges the last one."""

    def __init__(self, netlink):
        self.netlink = netlink
        self.messages = []

    def add(self, command, attributes):
        self.messages.append((command, attributes))
        if len(self.messages) == 100:
            self.flush()

    def flush(self):
        """Sends what has been added. What was refused ends the run."""
        flags = [0] * (len(self.messages) - 1) + [genl.NLM_F_ACK]
        data = b"".join(self.netlink.message(*message, flag)
                        for message, flag in zip(self.messages, flags))
        self.messages = []
        if data:
            self.netlink.sock.send(data)
            while not self._acknowledged(self.netlink.sock.recv(32768)):
                pass

    def _acknowledged(self, answers):
        last = False
        while answers:
            size, kind, _, sequence, _, error = struct.unpack_from("=IHHIIi", answers)
            if kind != genl.NLMSG_ERROR or error:
                sys.exit(f"netlink: {os.strerror(-error)}")
            last |= sequence == self.netlink.sequence
            answers = answers[(size + 3) & ~3:]
        return last


class Rlvs:
    """Services of rlvs, with destinations at ports of the service's own address."""

    def __init__(self, method, flags):
        self.batch = Batch(genl.Genl(contextlib.nullcontext()))
        self.method = method
        self.flags = flags

    def service(self, port, scheduler, first=PROCESS, last=PROCESS):
        name = genl.service(Ends, port)
        self.batch.add(N["RLVS_CMD_SERVICE_ADD"],
                       genl.service(Ends, port, None, scheduler, self.flags))
        self.batch.add(N["RLVS_CMD_DESTINATION_ADD"],
                       genl.destination(name, first, last, weight=weight_for(scheduler),
                                        method=self.method))


class IpVs:
    """The same of ip_vs, which wants a message for each destination."""

    def __init__(self):
        self.batch = Batch(ipvs.Ipvs(contextlib.nullcontext()))
        self.schedulers = set()

    def service(self, port, scheduler, first=PROCESS, last=PROCESS):
        if scheduler not in self.schedulers:
            load(f"ip_vs_{scheduler}")
            self.schedulers.add(scheduler)
        name = ipvs.service(ipvs.identity(Ends, port))
        self.batch.add(ipvs.NEW_SERVICE,
                       ipvs.service(ipvs.whole_service(Ends, port, scheduler)))
        for process in range(first, last + 1):
            dest = ipvs.whole_dest(Ends, process, weight=weight_for(scheduler))
            self.batch.add(ipvs.NEW_DEST, name + ipvs.dest(dest))


class Nothing:
    """No balancer."""

    batch = Batch(None)

    def service(self, port, scheduler, first=PROCESS, last=PROCESS):
        pass


@contextlib.contextmanager
def _direct():
    yield Nothing()


@contextlib.contextmanager
def _rlvs(method, flags=0):
    load(*RLVS_NEEDS)
    run("insmod", os.environ["RLVS_KO"])
    try:
        yield Rlvs(method, flags)
    finally:
        unload("rlvs")


@contextlib.contextmanager
def _ip_vs():
    load("ip_vs", options=IP_VS_OPTIONS)
    balancer = IpVs()
    try:
        yield balancer
    finally:
        balancer.batch.netlink.must(ipvs.FLUSH)
        unload(*(name for name, _ in modules("ip_vs_")), "ip_vs")


BALANCERS = {
    "direct": _direct,
    "rlvs nat": lambda: _rlvs(genl.NAT),
    "rlvs steer": lambda: _rlvs(genl.STEER),
    UNCOUNTED: lambda: _rlvs(genl.STEER, N["RLVS_SERVICE_FLAG_UNCOUNTED"]),
    "ip_vs": _ip_vs,
}


@contextlib.contextmanager
def processes(first, last):
    """Sockets that listen at each of these ports: rlvs asks whether there is one."""
    most = last - first + 200
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with contextlib.ExitStack() as stack:
        for port in range(first, last + 1):
            stack.enter_context(listening(port, "tcp", 4))
        yield
