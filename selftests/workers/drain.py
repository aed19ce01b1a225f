# SPDX-License-Identifier: GPL-2.0
"""When a destination has drained, its process can be stopped and no client notices."""

import concurrent.futures
import socket
import subprocess
import sys
import threading
import time

from lib import kernel
from lib.clients import served_by, talk
from lib.events import Events
from lib.ktap import Failure, check, each, equal, fewer, seconds, wait_until
from lib.lab import FLOWS, SCTP4, TCP, TCP4, TCP6, UDP6
from lib.packets import Raw, segment
from lib.repair import (RECEIVED, REPAIR_OFF_SILENTLY, REPAIR_ON, TCP_QUEUE_SEQ, TCP_REPAIR,
                        TCP_REPAIR_QUEUE)

QUIESCENT = "net.ipv4.vs.expire_quiescent_template"
SOON = 15  # seconds for what takes two looks, one a second, and a start of the tool


class Drain:
    """`rlvs dest drain`, running."""

    def __init__(self, lab, service, ports=":8001", options=""):
        self.lab, self.service, self.ports = lab, service, ports
        with lab.lb:
            # pylint: disable-next=consider-using-with; it runs until it is done
            self.process = subprocess.Popen(
                ["rlvs", "dest", "drain", service, ports, *options.split()],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def quiesced(self):
        """Waits until the weight is 0."""
        wait_until(lambda: 0 in [d["weight"] for d in self.lab.find(self.service)["destinations"]],
                   "the destination is quiesced", limit=SOON)
        return self

    def waits(self, spell=2.5):
        """It is still waiting, and goes on."""
        time.sleep(spell)
        equal(self.process.poll(), None, f"its exit status; {self.state()}")

    def state(self):
        """What the destinations have in flight."""
        return {port: (d["in_flight"], d["drained"])
                for port, d in self.lab.destinations(self.service).items()}

    def done(self, status=0, limit=SOON):
        """It ends with this status; what it said."""
        try:
            found = self.process.wait(seconds(limit))
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failure(f"it still waits; {self.state()}; {self.lab.conns()}") from None
        text = self.process.stderr.read().strip()
        equal(found, status, f"its exit status; it said: {text}")
        return text


def in_flight(lab, service, port=8001):
    """How many connections the listing says."""
    return lab.destinations(service)[port]["in_flight"]


def test_it_waits_for_connections(lab):
    """They go on, idle or not, and new ones go elsewhere; those that have ended do not count."""
    events = Events(lab.lb)
    held, drains = {}, {}
    for flow in TCP:
        lab.servers.listen(flow, [8001, 8002])
        service = lab.balance(flow, ports="8001")
        held[flow] = [talk(where, flow) for where in (lab.client, lab.client, lab.lb)]
        lab.rlvs(f"dest add {service} :8002 --method nat")
        equal(in_flight(lab, service), 3, "connections in flight")
        drains[flow] = Drain(lab, service).quiesced()
        equal(events.wait("draining")["in_flight"], 3, "in flight, as the event says")
        equal(served_by(lab.client, flow, 3), {8002: 3}, "new connections")
    for flow, drain in drains.items():
        drain.waits(2.5 if flow == TCP4 else 0)
        for left, conversation in zip((2, 1), held[flow]):
            conversation.say(b"still here")
            conversation.close()
            wait_until(lambda n=left, d=drain: in_flight(lab, d.service) == n,
                       f"{left} connections in flight")
        held[flow][2].say(b"still here")
        drain.waits(1)
        lab.servers.finish(lab.servers.served(held[flow][2].name))
        equal(held[flow][2].ends(), "closed", "how the last one ends for the client")
        held[flow][2].close()
    for flow, drain in drains.items():
        drain.done()
        found = lab.destinations(drain.service)[8001]
        equal((found["in_flight"], found["drained"]), (0, True), "the listing")
        states = {c["state"] for c in lab.conns() if c["destination_port"] == 8001}
        check(states and states <= {"TIME_WAIT", "CLOSE"}, f"entries that are left: {states}")
        events.wait("drained")
    events.close()


@each(TCP)
def test_steered_connections(lab, flow):
    """Of a scheduler that does not look at how many there are."""
    lab.servers.listen(flow, [8001, 8002])
    service = lab.steer(flow, ports="8001")
    held = [talk(where, flow) for where in (lab.client, lab.client, lab.lb)]
    lab.rlvs(f"dest add {service} :8002 --method steer")
    equal(in_flight(lab, service), 3, "connections in flight")
    drain = Drain(lab, service).quiesced()
    equal(served_by(lab.client, flow, 3), {8002: 3}, "new connections")
    for left, conversation in zip((2, 1, 0), held):
        drain.waits(1)
        conversation.say(b"still here")
        conversation.close()
        wait_until(lambda n=left: in_flight(lab, service) == n, f"{left} connections in flight")
    drain.done()


def test_an_idle_destination(lab):
    """Several on a range of ports, at once; again; and one whose connections are of the past."""
    flow = TCP6
    lab.servers.listen(flow, range(8001, 8004))
    service = lab.balance(flow, ports="8001-8004")
    equal(len(served_by(lab.client, flow, 3)), 3, "servers")
    for _ in range(2):
        Drain(lab, service, ":8001-8003").done()
    equal([d["weight"] for d in lab.find(service)["destinations"]], [0, 0, 0, 1], "weights")


def test_the_time_is_over(lab):
    """Then it says what is left, and the destination stays quiesced."""
    held, drains, begun = [], {}, time.monotonic()
    for flow in FLOWS:
        lab.servers.listen(flow, [8001])
        service = lab.balance(flow, ports="8001")
        held.append(talk(lab.client, flow))
        drains[flow] = Drain(lab, service, options="--timeout 2")
    for flow, drain in drains.items():
        text = drain.done(1)
        check(time.monotonic() - begun >= 2, "it gave up before its time")
        for part in ("not drained after 2 s", f"{flow.endpoint(flow.vip, 8001)} has 1 in flight",
                     "the weight stays 0"):
            check(part in text, f"it says: {text}")
        equal(lab.destinations(drain.service)[8001]["weight"], 0, "the weight")
    for conversation in held:
        conversation.close()


def test_flows_count_until_they_expire(lab):
    flow = UDP6
    lab.servers.listen(flow, [8001])
    service = lab.balance(flow, ports="8001")
    lab.rlvs(f"service edit {service} --timeout-udp 4")
    with talk(lab.client, flow) as conversation:
        drain = Drain(lab, service).quiesced()
        for _ in range(4):
            drain.waits(1)
            conversation.say(b"still here")
    drain.done(limit=20)
    equal(lab.conns(), [], "connection entries")


def test_what_waits_to_be_accepted(lab):
    """The process has not seen it yet, the client takes it for open."""
    flow = TCP4
    with lab.lb:
        listener = flow.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((flow.vip, 8001))
    listener.listen()
    service = lab.balance(flow, ports="8001")
    with lab.client:
        client = flow.socket()
    client.settimeout(5)
    client.connect((flow.vip, 80))
    drain = Drain(lab, service).quiesced()
    drain.waits()
    # A client that has sent all it has to say, and waits for the answer.
    client.send(b"question")
    client.shutdown(socket.SHUT_WR)
    drain.waits()
    with listener.accept()[0] as accepted:
        equal(accepted.recv(100), b"question", "what the client has sent")
        accepted.send(b"answer")
    equal(client.recv(100), b"answer", "what the client gets")
    client.close()
    drain.done()
    listener.close()


def test_a_handshake_under_way(lab):
    """A client that has sent its first segment gets its connection."""
    flow = TCP6
    lab.servers.listen(flow, [8001])
    service = lab.balance(flow, ports="8001")
    stranger = "192.0.2.200" if flow.version == 4 else "2001:db8::200"
    raw = Raw(lab.client, "eth", lab.lb, "wan")
    lab.lb.ip(f"neigh replace {stranger} lladdr {raw.source_mac} dev wan nud permanent")
    raw.send(segment(stranger, flow.vip, 5555, 80, flags="S", seq=1000))
    wait_until(lambda: in_flight(lab, service) == 1, "the SYN made an entry")
    drain = Drain(lab, service).quiesced()
    drain.waits()
    raw.send(segment(stranger, flow.vip, 5555, 80, flags="R", seq=1001))
    # The socket has gone; the entry of a handshake stays for its time, 60 s: it is not waited for.
    drain.process.kill()
    equal(in_flight(lab, service), 1, "in flight")


def test_what_the_process_has_lost(lab):
    """An entry whose socket has gone without a word is over: nobody waits for its 15 minutes."""
    flow = TCP6
    lab.servers.listen(flow, [8001])
    service = lab.balance(flow, ports="8001")
    conversation = talk(lab.client, flow)
    served = lab.servers.served(conversation.name)
    served.sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_ON)
    lab.servers.finish(served)
    equal([c["state"] for c in lab.conns()], ["ESTABLISHED"], "states of the entries")
    equal(in_flight(lab, service), 1, "in flight")
    Drain(lab, service).done()
    conversation.close()


def test_what_only_the_entry_has_lost(lab):
    """A stranger's reset was near enough to end the entry, and the process has not taken it."""
    flow = TCP4
    lab.servers.listen(flow, [8001])
    service = lab.balance(flow, ports="8001")
    with talk(lab.client, flow) as conversation:
        served = lab.servers.served(conversation.name)
        served.sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_ON)
        served.sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, RECEIVED)
        expected = int.from_bytes(served.sock.getsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ, 4),
                                  sys.byteorder)
        served.sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF_SILENTLY)
        raw = Raw(lab.client, "eth", lab.lb, "wan")
        raw.send(segment(conversation.name[0], flow.vip, conversation.name[1], 80, flags="R",
                         seq=expected + 100))
        wait_until(lambda: [c["state"] for c in lab.conns()] == ["CLOSE"], "the entry is closed")
        drain = Drain(lab, service).quiesced()
        drain.waits(3)
        equal(drain.state(), {8001: (1, False)}, "in flight and drained")
        conversation.say(b"still here")
    drain.done()


def test_persistent_clients(lab):
    """Their templates lead new connections to a quiesced destination, unless a sysctl says no."""
    flow = TCP4
    lab.servers.listen(flow, [8001, 8002])
    lab.rlvs(f"service add {flow.service(80)} --scheduler rr --persistent 300")
    lab.rlvs(f"dest add {flow.service(80)} :8001 --method nat")
    equal(served_by(lab.client, flow, 1), {8001: 1}, "the client's destination")
    lab.rlvs(f"dest add {flow.service(80)} :8002 --method nat")
    text = Drain(lab, flow.service(80), options="--timeout 3").done(1)
    check("0 in flight and 1 persistence templates" in text, f"it says: {text}")
    equal(served_by(lab.client, flow, 1), {8001: 1}, "the client's destination when quiesced")
    lab.lb.sysctl(QUIESCENT, 1)
    try:
        Drain(lab, flow.service(80)).done()
        equal(served_by(lab.client, flow, 1), {8002: 1}, "the client's destination then")
    finally:
        lab.lb.sysctl(QUIESCENT, 0)


def test_a_port_that_is_used_again(lab):
    """With conn_reuse_mode=0 an entry of the past leads the next connection there as well."""
    flow = TCP6
    lab.servers.listen(flow, [8001])
    service = lab.balance(flow, ports="8001")
    lab.lb.sysctl("net.ipv4.vs.conn_reuse_mode", 0)
    try:
        talk(lab.client, flow).close(reset=True)
        wait_until(lambda: [c["state"] for c in lab.conns()] == ["CLOSE"], "it is closed")
        drain = Drain(lab, service).quiesced()
        drain.waits(2)
        equal(drain.state(), {8001: (1, False)}, "in flight and drained")
    finally:
        lab.lb.sysctl("net.ipv4.vs.conn_reuse_mode", 1)
    drain.done()
    equal(len(lab.conns()), 1, "entries that are left")


def test_somebody_else_interferes(lab):
    """Who gives it a weight, or deletes it, ends the draining."""
    lab.servers.listen(TCP4, [8001])
    service = lab.balance(TCP4, ports="8001")
    with talk(lab.client, TCP4):
        drain = Drain(lab, service).quiesced()
        lab.rlvs(f"dest edit {service} :8001 --weight 7")
        text = drain.done(1)
        check("was given the weight 7" in text, f"it says: {text}")
        drain = Drain(lab, service).quiesced()
        lab.rlvs(f"dest del {service} :8001")
        text = drain.done(1)
        check("was deleted" in text, f"it says: {text}")
    for arguments, word in ((f"dest drain {service} :8001", "no such destination"),
                            ("dest drain tcp://198.51.100.10:81 :8001", "no such service")):
        text = lab.refused(arguments)
        check(word in text, f"{arguments}: {text}")


def test_a_service_on_the_wildcard_address(lab):
    flow = TCP6
    lab.servers.listen(flow, [8001], address=flow.host)
    service = flow.service(80, flow.any)
    lab.rlvs(f"service add {service}")
    lab.rlvs(f"dest add {service} :8001 --method nat")
    with talk(lab.client, flow, address=flow.host):
        drain = Drain(lab, service).quiesced()
        drain.waits(2)
    drain.done()


def test_associations(lab):
    kernel.need("sctp")
    flow = SCTP4
    lab.servers.listen(flow, [8001])
    service = lab.balance(flow, ports="8001")
    with talk(lab.client, flow, source=flow.client):
        drain = Drain(lab, service).quiesced()
        drain.waits(2)
    drain.done()


class Clients:
    """Short conversations without pause, and what became of them."""

    def __init__(self, lab, flow, count):
        self.stopped = threading.Event()
        self.pool = concurrent.futures.ThreadPoolExecutor(count)
        self.runs = [self.pool.submit(self._run, lab, flow) for _ in range(count)]

    def _run(self, lab, flow):
        done, errors = 0, []
        while not self.stopped.is_set():
            try:
                with talk(lab.client, flow, limit=5) as conversation:
                    conversation.say(b"x" * 1000)
                done += 1
            except (OSError, Failure) as error:
                errors.append(f"{type(error).__name__}: {error}")
        return done, errors

    def stop(self):
        """Ends them; how many conversations were had, and the errors."""
        self.stopped.set()
        found = [run.result() for run in self.runs]
        self.pool.shutdown()
        return sum(done for done, _ in found), [e for _, errors in found for e in errors]


@each([TCP4])
def test_nobody_notices(lab, flow):
    """A rolling restart under load: drain, stop the process with all its sockets, start it."""
    ports = (8001, 8002)
    lab.servers.listen(flow, ports)
    service = lab.balance(flow, ports="8001-8002")
    clients = Clients(lab, flow, 4)
    try:
        for port in ports * fewer(2, 1):
            Drain(lab, service, f":{port}").done(limit=40)
            stop_process(lab, flow, port)
            lab.servers.listen(flow, [port])
            lab.rlvs(f"dest edit {service} :{port} --weight 1")
    finally:
        done, errors = clients.stop()
    equal(errors, [], "errors of the clients")
    check(done > fewer(50, 10), f"only {done} conversations were had")
    print(f"    # {done} conversations", flush=True)


def stop_process(lab, flow, port):
    """What the end of a process does: its listener goes, and its connections are reset."""
    lab.servers.stop(flow, port)
    for connection in list(lab.servers.connections):
        if connection.port == port and connection.ended is None:
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            lab.servers.finish(connection)
