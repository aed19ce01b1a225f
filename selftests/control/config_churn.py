# SPDX-License-Identifier: GPL-2.0
"""Traffic is served while several processes change the configuration as fast as they can."""

import os
import random
import signal
import sys
import threading
import time
import traceback

from lib import ipvs
from lib.clients import talk
from lib.genl import N, Director, Error, attr, destination, nest, octets, service
from lib.ktap import Failure, check, equal, fewer
from lib.lab import TCP4, TCP6, UDP4, UDP6
from lib.netns import Namespace

LIMIT = 400
FLOWS = [TCP4, UDP6]
UNTOUCHED = (8001, 8002)
CHURNED = (8003, 8006)  # first and last: all are there, or none
HURRIED = 8007
STEADY, PASSING = 80, 90  # ports of the service that stays and of the first of those that do not

CUT = attr(N["RLVS_A_SERVICE_CUT"])
DESTINATION_CUT = attr(N["RLVS_A_DESTINATION_CUT"])


def duration():
    """Seconds of churn."""
    return 180 if os.environ.get("FULL") else fewer(12, 18)


# What the processes do, over and over. Each has parts of the configuration to itself, so that it
# knows what has to succeed.


def change_destinations(director, flow):
    """Of the service that stays, next to the destinations that stay; also with a cut."""
    several = destination(service(flow, STEADY), *CHURNED, method=None)
    director.must(N["RLVS_CMD_DESTINATION_ADD"], destination(service(flow, STEADY), *CHURNED))
    for weight in (0, 3):
        director.must(N["RLVS_CMD_DESTINATION_SET"],
                      destination(service(flow, STEADY), *CHURNED, weight=weight))
    scheduler = random.choice(("rr", "wrr", "wlc", "sed", "p2c", "lblc"))
    director.must(N["RLVS_CMD_SERVICE_SET"], service(flow, STEADY, scheduler=scheduler))
    cut = random.choice((b"", DESTINATION_CUT))
    director.must(N["RLVS_CMD_DESTINATION_DEL"], several + cut)


def change_services(director, flow):
    """Services come and go with their destinations, and live connections to them."""
    port = PASSING + random.randrange(4)
    own = service(flow, port)
    director.must(N["RLVS_CMD_SERVICE_ADD"], service(flow, port, scheduler="rr"))
    director.must(N["RLVS_CMD_DESTINATION_ADD"], destination(own, *UNTOUCHED))
    director.must(N["RLVS_CMD_SERVICE_ZERO"], own)
    director.must(N["RLVS_CMD_SERVICE_DEL"], own + random.choice((b"", CUT)))


def change_as_ip_vs(family, flow):
    """A destination comes, is quiesced and goes, and no request waits for packets under way."""
    to = ipvs.service(ipvs.identity(flow, STEADY))
    for _ in range(20):
        family.must(ipvs.NEW_DEST, to + ipvs.dest(ipvs.whole_dest(flow, HURRIED)))
        family.must(ipvs.SET_DEST, to + ipvs.dest(ipvs.whole_dest(flow, HURRIED, weight=0)))
        family.must(ipvs.DEL_DEST, to + ipvs.dest(ipvs.whole_dest(flow, HURRIED)))


change_as_ip_vs.by = ipvs.Ipvs


def flush_another(director, flow):
    """The same services in another namespace, which is flushed."""
    director.add(flow, STEADY, "8001-8004", "rr")
    director.must(N["RLVS_CMD_FLUSH"], random.choice((b"", CUT)))


def read_all(director, flow):
    """Lists say what was there at some moment, or that they do not."""
    keys = service_keys(director)
    check((flow.number, octets(flow.vip), STEADY) in keys, f"the service is missing: {keys}")
    equal(len(keys), len(set(keys)), f"services listed twice: {keys}")
    listed = director.request(
        N["RLVS_CMD_DESTINATION_GET"],
        nest(N["RLVS_A_DESTINATION_SERVICE"], service(flow, STEADY)), dump=True)
    check(not isinstance(listed, Error), f"destinations: {listed}")
    ports = sorted(int.from_bytes(d[N["RLVS_A_DESTINATION_PORT"]], "big") for d in listed)
    ports = [port for port in ports if port != HURRIED]
    if not director.interrupted:
        every = list(UNTOUCHED), sorted({*UNTOUCHED, *range(CHURNED[0], CHURNED[1] + 1)})
        check(ports in every, f"half a change is listed: {ports}")
    for entry in director.connections():
        check(entry["service_port"] >= STEADY, f"an entry: {entry}")
    director.must(N["RLVS_CMD_COUNTERS_GET"])


def service_keys(director):
    """Protocol number, address and port of the services, in a list that is of one moment."""
    while True:
        listed = director.must(N["RLVS_CMD_SERVICE_GET"], dump=True)
        if not director.interrupted:
            return [(s[N["RLVS_A_SERVICE_PROTOCOL"]][0], s[N["RLVS_A_SERVICE_ADDRESS"]],
                     int.from_bytes(s[N["RLVS_A_SERVICE_PORT"]], "big")) for s in listed]


class Worker:
    """A process that does one thing over and over until it is told to end."""

    def __init__(self, namespace, action):
        self.name = action.__name__
        self._read, write = os.pipe()
        self.child = os.fork()
        if self.child == 0:
            self._work(namespace, action, write)
        os.close(write)

    @staticmethod
    def _work(namespace, action, write):
        stop = []
        signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
        rounds, report = 0, ""
        try:
            director = getattr(action, "by", Director)(namespace)
            while not stop:
                action(director, FLOWS[rounds % len(FLOWS)])
                rounds += 1
        except Failure as failure:
            report = str(failure)
        except BaseException:  # pylint: disable=broad-except; nothing may escape a fork
            report = traceback.format_exc()
        finally:
            os.write(write, f"{rounds} {report}".encode()[:4000])
            sys.stdout.flush()
            os._exit(0)

    def end(self):
        """Ends it: how many rounds it made, and what went wrong, or nothing."""
        os.kill(self.child, signal.SIGTERM)
        with os.fdopen(self._read, encoding="utf-8") as pipe:
            rounds, _, report = pipe.read().partition(" ")
        os.waitpid(self.child, 0)
        return int(rounds), report


class Clients:
    """Conversations that are held all the time, and new ones."""

    def __init__(self, flow, where):
        self.lost, self.served, self.said = [], 0, 0
        self._flow, self._where = flow, where
        self._held = []
        while len(self._held) < 2:
            conversation = talk(where, flow, STEADY)
            if conversation.port in UNTOUCHED:
                self._held.append(conversation)
        self._stop = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        """Begins."""
        self._thread.start()

    def _run(self):
        while not self._stop:
            try:
                for held in self._held:
                    held.say(os.urandom(700))
                    self.said += 1
            except (OSError, Failure) as fault:
                self.lost.append(f"held by {held.port}: {fault}")
                return
            self._another()

    def _another(self):
        conversation = None
        try:
            conversation = talk(self._where, self._flow, STEADY, limit=0.5)
            conversation.say(b"hello")
            self.served += 1
        except ConnectionRefusedError as fault:
            # There is a destination at any time.
            self.lost.append(f"a new one: {fault}")
        except (OSError, Failure) as fault:
            # What began on a destination that is then cut may be lost, also before it is known
            # by its first line which one it was.
            if conversation and conversation.port in UNTOUCHED:
                self.lost.append(f"new by {conversation.port}: {fault}")
        finally:
            if conversation:
                conversation.close(reset=self._flow.protocol == "tcp")

    def end(self):
        """Ends it."""
        self._stop = True
        self._thread.join()
        for held in self._held:
            held.close()


def test_untouched_destinations_lose_nothing(lab):
    other = Namespace()
    for flow in FLOWS:
        lab.servers.listen(flow, range(8001, 8008))
        lab.balance(flow, ports="8001-8002", port=STEADY)
    other.ip("addr add 198.51.100.10/32 dev lo", "addr add 2001:db8:1::10/128 dev lo nodad")
    clients = [Clients(flow, where) for where in (lab.client, lab.lb) for flow in FLOWS]
    # Processes first: a fork and threads do not go together.
    workers = [Worker(lab.lb, action)
               for action in (change_services, change_destinations, change_as_ip_vs)]
    workers += [Worker(other, flush_another), Worker(lab.lb, read_all), Worker(lab.lb, read_all)]
    results = []
    try:
        for client in clients:
            client.start()
        time.sleep(duration())
    finally:
        for client in clients:
            client.end()
        results = [(worker.name, *worker.end()) for worker in workers]
        other.close()
    print(f"    # {sum(c.served for c in clients)} conversations, "
          f"{sum(c.said for c in clients)} exchanges; "
          + ", ".join(f"{name} {rounds}" for name, rounds, _ in results))
    for name, rounds, report in results:
        check(not report, f"{name} after {rounds} rounds: {report}")
        check(rounds > 3, f"{name}: only {rounds} rounds")
    for client in clients:
        check(not client.lost, f"lost: {client.lost}")
        check(client.served > 3, "hardly any conversation")
    # Everything still works, in the families that were not in it as well.
    for flow in (UDP4, TCP6):
        lab.servers.listen(flow, [8001])
        lab.balance(flow, ports="8001")
        talk(lab.client, flow).close()
