# SPDX-License-Identifier: GPL-2.0
"""Each network namespace has services of its own, and may vanish at any time."""

import os
import random
import socket

from lib.clients import served_by, talk
from lib.genl import N, Director, attr
from lib.ktap import check, each, equal, fewer, wait_until
from lib.lab import FLOWS, Lab, TCP4, TCP6, UDP4, UDP6
from lib.netns import Namespace


@each(FLOWS)
def test_a_service_belongs_to_one_namespace(lab, flow):
    """The same service in two namespaces has its own destinations and connections in each."""
    other = Lab()
    for each_lab, ports in ((lab, "8001-8002"), (other, "9001")):
        each_lab.servers.listen(flow, [8001, 8002, 9001])
        each_lab.balance(flow, ports=ports)
    equal(served_by(lab.client, flow, 4), {8001: 2, 8002: 2}, "conversations in the one")
    equal(served_by(other.client, flow, 2), {9001: 2}, "conversations in the other")
    with talk(lab.client, flow) as conversation:
        other.rlvs("flush --now")
        equal(other.services(), [], "services of the flushed namespace")
        equal(len(lab.services()), 1, "services of the other one")
        conversation.bulk(20_000)
    other.reset()


def devices(namespace):
    """The names of a namespace's network devices."""
    lines = namespace.read("/proc/thread-self/net/dev").splitlines()[2:]
    return {line.split(":")[0].strip() for line in lines}


def test_namespaces_vanish_with_services_and_live_connections():
    for _ in range(fewer(20, 6)):
        doomed = Lab()
        for flow in (TCP4, UDP6):
            doomed.servers.listen(flow, [8001, 8002])
            doomed.balance(flow, ports="8001-8002")
        held = [talk(where, flow) for where in (doomed.client, doomed.lb) for flow in (TCP4, UDP6)]
        for conversation in held:
            conversation.say(b"alive")
        # The namespace is let go while everything is still there; its sockets go after it.
        doomed.lb.close()
        doomed.client.close()
        for conversation in held:
            conversation.close()
        doomed.servers.close_all()
    # The next ones work as the first did.
    lab = Lab()
    lab.servers.listen(TCP4, [8001])
    lab.balance(TCP4, ports="8001")
    equal(served_by(lab.client, TCP4, 2), {8001: 2}, "conversations afterwards")


def test_a_vanished_namespace_is_really_gone():
    """Its end of the link goes with it, and the client's end with that: who still held it?"""
    doomed = Lab()
    doomed.servers.listen(TCP4, [8001])
    doomed.balance(TCP4, ports="8001")
    conversation = talk(doomed.client, TCP4)
    conversation.close(reset=True)
    doomed.servers.close_all()
    check("eth" in devices(doomed.client), "the client has no link to begin with")
    doomed.lb.close()
    wait_until(lambda: "eth" not in devices(doomed.client), "the namespace is gone", limit=20)


class Passing:
    """A namespace with its loopback addresses, a link to a hub, and services and sockets."""

    def __init__(self, hub, name):
        self.space = Namespace()
        hub.ip(f"link add {name} type veth peer name eth netns {self.space.path}")
        self.director = Director(self.space)
        self.socks = []

    def configure(self):
        """Some services more, on the loopback addresses, whose destinations may be there."""
        flow = random.choice((TCP4, TCP6, UDP4, UDP6))
        port = random.randrange(80, 90)
        if (flow.protocol, flow.loopback, port) not in [
                (s["protocol"], s["address"], s["port"]) for s in self.director.services()]:
            self.director.add(flow, port, "8001-8003", "rr", flow.loopback)

    def use(self):
        """A client and a server for each service; the sockets stay open."""
        if not self.director.services():
            self.configure()
        for entry in self.director.services()[:3]:
            flow = next(f for f in FLOWS if (f.protocol, f.loopback) == (
                entry["protocol"], entry["address"]))
            with self.space:
                server, client = flow.socket(), flow.socket()
            self.socks += [server, client]
            try:
                server.bind((flow.loopback, random.randrange(8001, 8004)))
                if flow.kind == socket.SOCK_STREAM:
                    server.listen()
                client.settimeout(0.05)
                client.connect((flow.loopback, entry["port"]))
                client.send(b"hello")
            except OSError:
                pass  # the port is bound already, or another destination's turn

    def flush(self):
        """Without services, maybe with the connections."""
        self.director.must(N["RLVS_CMD_FLUSH"],
                           random.choice((b"", attr(N["RLVS_A_SERVICE_CUT"]))))

    def vanish(self):
        """Lets go of all that holds it, in any order."""
        held = [self.director.sock, self.space, *self.socks]
        random.shuffle(held)
        for one in held:
            one.close()


def test_many_come_and_go_at_random():
    """Created, configured, used and destroyed; in the end no link of theirs is left."""
    total = 2000 if os.environ.get("FULL") else fewer(140, 60)
    seed = random.randrange(1 << 32)
    random.seed(seed)
    hub, alive, made, entries = Namespace(), [], 0, 0
    own = devices(hub)  # tunnel modules that another test has loaded leave one in each namespace
    while made < total or alive:
        if made < total and (len(alive) < 3 or random.random() < 0.3):
            alive.append(Passing(hub, f"v{made}"))
            alive[-1].configure()
            made += 1
            continue
        one = random.choice(alive)
        what = random.choice((one.configure, one.use, one.use, one.flush, one.vanish))
        if what == one.vanish or made == total:
            entries += one.director.counter("connections")
            alive.remove(one)
            one.vanish()
        else:
            what()
    print(f"    # seed {seed}, {entries} connections")
    check(entries > total // 4, f"only {entries} connections in {total} namespaces")
    wait_until(lambda: devices(hub) == own,
               lambda: f"of {total} namespaces there are still {sorted(devices(hub))}", limit=30)
    hub.close()
