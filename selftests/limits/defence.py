# SPDX-License-Identifier: GPL-2.0
"""The defences of ip_vs against floods work, and half-open connections go first."""

import os
import socket
import time

from lib import kernel
from lib.clients import talk
from lib.ktap import Skip, check, each, equal, wait_until
from lib.lab import FLOWS, SCTP, TCP, TCP4, UDP4
from lib.packets import Raw, datagram, sctp_init, segment

FOLDER = "net.ipv4.vs."
DEFAULTS = {"am_droprate": 10, "amemthresh": 1024, "conn_max": 4194304,
            "drop_entry": 0, "drop_packet": 0, "secure_tcp": 0}
MODES = ("drop_entry", "drop_packet", "secure_tcp")
NO_MEMORY = 2**31 - 1  # pages: no machine has as many available
NOBODY = {4: "192.0.2.200", 6: "2001:db8::200"}  # answers nothing, so that nothing is reset


class Settings:
    """`with Settings(lab, drop_entry=3):` sets what is named, and then the defaults again."""

    def __init__(self, lab, **values):
        self.lab, self.values = lab, values

    def __enter__(self):
        for name, value in self.values.items():
            self.lab.lb.sysctl(FOLDER + name, value)

    def __exit__(self, *_):
        for name in self.values:
            self.lab.lb.sysctl(FOLDER + name, DEFAULTS[name])


def value(lab, name):
    """What the file of a setting says."""
    return int(lab.lb.read("/proc/sys/net/ipv4/vs/" + name))


def first_packets(lab, flow, count, start=20000):
    """So many first packets of connections that are never completed, each from another port."""
    make = {"udp": datagram, "tcp": segment, "sctp": sctp_init}[flow.protocol]
    line = Raw(lab.client, "eth", lab.lb, "wan")
    nobody = NOBODY[flow.version]
    lab.lb.ip(f"neigh replace {nobody} lladdr {line.source_mac} dev wan nud permanent")
    for port in range(start, start + count):
        line.send(make(nobody, flow.vip, port, 80))


def states(lab):
    """How many entries there are in each state."""
    found = [entry["state"] for entry in lab.conns()]
    return {state: found.count(state) for state in set(found)}


def test_the_settings(lab):
    for name, default in DEFAULTS.items():
        if name != "conn_max":  # which depends on the host's memory: connection/conn_max.py
            equal(value(lab, name), default, f"the default of {name}")
        most = 3 if name in MODES else 2**31 - 1
        for wrong in (-1, most + 1):
            try:
                lab.lb.sysctl(FOLDER + name, wrong)
            except OSError:
                continue
            check(False, f"{name} = {wrong} was taken")
        if name != "conn_max":
            with Settings(lab, **{name: most}):
                equal(value(lab, name), most, name)


@each(MODES, all_differ=True)
def test_an_automatic_mode_follows_the_memory(lab, name):
    lab.balance(TCP4)  # the work runs while there is a service
    with Settings(lab, **{name: 1, "amemthresh": NO_MEMORY}):
        wait_until(lambda: value(lab, name) == 2, f"{name} is on when memory is short")
        lab.lb.sysctl(FOLDER + "amemthresh", 1024)
        wait_until(lambda: value(lab, name) == 1, f"{name} is off when it is not")
    for fixed in (0, 3):
        with Settings(lab, **{name: fixed, "drop_entry": 2, "amemthresh": NO_MEMORY}
                      if name != "drop_entry" else {name: fixed, "amemthresh": NO_MEMORY}):
            time.sleep(1.2)  # the work runs once a second
            equal(value(lab, name), fixed, f"{name}, which is not automatic")


@each(FLOWS)
def test_drop_packet_takes_one_of_n(lab, flow):
    """New connections only; exactly one of as many as am_droprate says."""
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    with talk(lab.client, flow) as conversation:
        with Settings(lab, drop_packet=3, am_droprate=4):
            # The periodic work sets the rate; after a first one every fourth goes.
            before, ports = lab.counter("drop_packet"), iter(range(20000, 30000))
            wait_until(lambda: first_packets(lab, flow, 1, next(ports)) or
                       lab.counter("drop_packet") > before, "packets are dropped")
            dropped, made = lab.counter("drop_packet"), lab.counter("connections")
            first_packets(lab, flow, 40, 40000)
            wait_until(lambda: lab.counter("connections") >= made + 30, "the others are served")
            equal(lab.counter("drop_packet") - dropped, 10, "dropped of 40")
            equal(lab.counter("connections") - made, 30, "served of 40")
            conversation.bulk(100_000)
        dropped = lab.counter("drop_packet")
        first_packets(lab, flow, 40, 50000)
        equal(lab.counter("drop_packet"), dropped, "dropped after it was switched off")
    lab.reset()


def test_drop_packet_without_any_memory(lab):
    """The less there is available, the more goes."""
    lab.servers.listen(UDP4, [8001])
    lab.balance(UDP4, ports="8001")
    with Settings(lab, drop_packet=1, amemthresh=NO_MEMORY):
        wait_until(lambda: value(lab, "drop_packet") == 2, "the defence is on")
        time.sleep(0.1)
        dropped, made = lab.counter("drop_packet"), lab.counter("connections")
        first_packets(lab, UDP4, 20)
        wait_until(lambda: lab.counter("drop_packet") == dropped + 20, "all are dropped")
        equal(lab.counter("connections"), made, "connections made")


@each(TCP)
def test_drop_entry_takes_half_open_ones(lab, flow):
    """One of 32 in a second. What is established, or is no TCP, stays."""
    lab.servers.listen(flow, [8001])
    lab.servers.listen(UDP4, [8001])
    lab.balance(flow, ports="8001")
    lab.balance(UDP4, ports="8001")
    with talk(lab.client, flow) as conversation, talk(lab.client, UDP4) as other:
        first_packets(lab, flow, 320)
        wait_until(lambda: states(lab).get("SYN_RECEIVED") == 320,
                   lambda: f"the entries of the flood: {states(lab)}")
        before = lab.counter("drop_entry")
        begun = time.monotonic()
        with Settings(lab, drop_entry=3):
            wait_until(lambda: lab.counter("drop_entry") - before >= 25, "entries are dropped")

        def dropped():
            return lab.counter("drop_entry") - before

        walks = time.monotonic() - begun + 2
        # One walk may be under way.
        wait_until(lambda: states(lab) == {"SYN_RECEIVED": 320 - dropped(), "ESTABLISHED": 1,
                                           "UDP": 1},
                   lambda: f"the entries: {states(lab)}, {dropped()} were dropped", 3)
        check(dropped() <= 10 * walks, f"{dropped()} were dropped in {walks:.1f} walks")
        conversation.say(b"still here")
        other.say(b"still here")


def test_drop_entry_takes_idle_ones():
    """Flows that were silent for a minute, but no connection that a process still has."""
    if not os.environ.get("FULL"):
        raise Skip("takes more than a minute: set FULL=1")
    from lib.lab import Lab  # pylint: disable=import-outside-toplevel
    lab = Lab()
    for flow in (TCP4, UDP4):
        lab.servers.listen(flow, [8001])
        lab.balance(flow, ports="8001")
    with talk(lab.client, TCP4) as conversation:
        first_packets(lab, UDP4, 64)
        time.sleep(58)
        equal(lab.counter("entries"), 65, "entries")
        with Settings(lab, drop_entry=3):
            wait_until(lambda: lab.counter("drop_entry") >= 30, "idle flows are dropped", 60)
        conversation.say(b"still here")
    lab.reset()


@each(TCP)
def test_secure_tcp_waits_for_the_destination(lab, flow):
    """What the client sends does not establish a connection; the destination's answer to data
    does."""
    with lab.lb:
        listener = flow.socket()
    with listener:
        listener.bind((flow.vip, 8001))
        listener.listen(8)
        lab.balance(flow, ports="8001")
        for where in (lab.client, lab.lb):
            for mode, wanted in ((0, "ESTABLISHED"), (3, "SYN_ACK")):
                with Settings(lab, secure_tcp=mode), where, flow.socket() as client:
                    client.connect((flow.vip, 80))
                    # A local client's last acknowledgement may come after connect() is done.
                    wait_until(lambda w=wanted: states(lab).get(w) == 1,
                               lambda: f"{wanted} with secure_tcp={mode}: {states(lab)}", 3)
                    client.send(b"data")
                    wait_until(lambda: states(lab) == {"ESTABLISHED": 1},
                               lambda: f"an acknowledgement of the destination: {states(lab)}", 3)
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                      b"\1\0\0\0\0\0\0\0")
                lab.director().flush_now()
                lab.balance(flow, ports="8001")


@each(TCP)
def test_half_open_ones_go_first(lab, flow):
    """When the table is full, without any setting: they make room for others, and nobody else
    does; not even a connection that is half-open for secure_tcp only."""
    with lab.lb:
        silent = flow.socket()
    with silent:
        silent.bind((flow.vip, 8009))
        silent.listen(8)
        lab.servers.listen(flow, [8001])
        lab.balance(flow, ports="8001")
        lab.balance(flow, ports="8009", port=81)
        before = lab.counter("early_expired")
        with Settings(lab, conn_max=8, secure_tcp=3), talk(lab.client, flow) as conversation, \
                lab.client, flow.socket() as quiet:
            quiet.connect((flow.vip, 81))
            first_packets(lab, flow, 10)
            wait_until(lambda: lab.counter("entries") == 8, "the table is full")
            full = states(lab)
            equal(full.get("ESTABLISHED"), 1, f"established ones of {full}")
            wait_until(lambda: lab.counter("entries") < 8, "there is room again", 15)
            lab.lb.sysctl(FOLDER + "conn_max", 2)  # so that it is full until all have gone
            wait_until(lambda: lab.counter("entries") == 2, "the half-open ones are gone", 15)
            lab.lb.sysctl(FOLDER + "conn_max", 8)
            equal(lab.counter("early_expired") - before, 6, "entries that went early")
            talk(lab.client, flow).close()
            conversation.say(b"still here")
            quiet.send(b"still here")
            wait_until(lambda: states(lab).get("SYN_ACK", 0) == 0, "the quiet one is known")


@each(SCTP)
def test_half_open_associations_go_first(lab, flow):
    """As half-open TCP connections do."""
    kernel.need("sctp")
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    before = lab.counter("early_expired")
    with talk(lab.client, flow) as association, Settings(lab, conn_max=8):
        first_packets(lab, flow, 10)
        wait_until(lambda: lab.counter("entries") == 8, "the table is full")
        lab.lb.sysctl(FOLDER + "conn_max", 1)  # so that it is full until all have gone
        wait_until(lambda: lab.counter("entries") == 1, "the half-open ones are gone", 15)
        equal(lab.counter("early_expired") - before, 7, "entries that went early")
        association.say(b"still here")
