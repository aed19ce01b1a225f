# SPDX-License-Identifier: GPL-2.0
"""Events of destinations: by netlink, and as `rlvs watch` prints them."""

import errno
import json
import queue
import select
import socket
import struct
import subprocess
import threading
import time

from lib.genl import (CTRL_ATTR_FAMILY_NAME, CTRL_CMD_GETFAMILY, GENL_ID_CTRL, N, PROTOCOLS,
                      SOL_NETLINK, Genl, attr, parse)
from lib.ktap import Failure, check, equal, seconds

CTRL_ATTR_MCAST_GROUPS, CTRL_ATTR_MCAST_GRP_NAME, CTRL_ATTR_MCAST_GRP_ID = 7, 1, 2
NETLINK_ADD_MEMBERSHIP = 1
KINDS = {value: name.removeprefix("RLVS_EVENT_TYPE_").lower().replace("_", "-")
         for name, value in N.items() if name.startswith("RLVS_EVENT_TYPE_")}


class Events(Genl):
    """A socket that has joined the group."""

    def __init__(self, namespace):
        super().__init__(namespace)
        self.seen = []
        self.unread = []
        number = self.group()
        self.sock.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, number)

    def group(self):
        """Returns the number of the family's group."""
        own, self.family = self.family, GENL_ID_CTRL
        reply = self.must(CTRL_CMD_GETFAMILY, attr(CTRL_ATTR_FAMILY_NAME, b"rlvs\0"))[0]
        self.family = own
        for entry in parse(reply[CTRL_ATTR_MCAST_GROUPS]).values():
            group = parse(entry)
            if group[CTRL_ATTR_MCAST_GRP_NAME] == b"events\0":
                return struct.unpack("=I", group[CTRL_ATTR_MCAST_GRP_ID])[0]
        raise Failure("the family has no group named events")

    def _receive_events(self, limit):
        """Returns the events that have come, after waiting so long for the first."""
        found = []
        while select.select([self.sock], [], [], limit)[0]:
            limit = 0.0
            try:
                data = self.sock.recv(1 << 16)
            except OSError as error:
                check(error.errno == errno.ENOBUFS, f"reading events: {error}")
                found.append({"event": "lost"})
                continue
            while len(data) >= 20:
                size = struct.unpack_from("=I", data)[0]
                equal(data[16], N["RLVS_CMD_EVENT"], "the command of a message of the group")
                found.append(decode(parse(data[20:size])))
                data = data[(size + 3) & ~3:]
        self.seen += found
        self.unread += found

    def read(self, limit=0.0):
        """Returns the events that were not read yet, after waiting so long for one."""
        self._receive_events(0.0 if self.unread else limit)
        found, self.unread = self.unread, []
        return found

    def wait(self, wanted, limit=6.0):
        """Reads until an event of this kind, or of a (kind, port), has come, and returns it.

        What came before it counts as read, what came after it does not.
        """
        kind, port = wanted if isinstance(wanted, tuple) else (wanted, None)
        deadline = time.monotonic() + seconds(limit)
        while (left := deadline - time.monotonic()) > 0:
            found = self.read(left)
            for place, event in enumerate(found):
                if event["event"] == kind and port in (None, event.get("port")):
                    self.unread = found[place + 1:]
                    return event
        raise Failure(f"no event {wanted} in {seconds(limit):.0f} s; there were {self.brief()}")

    def brief(self):
        """Returns what has come so far: kinds and ports."""
        return [(event["event"], event.get("port")) for event in self.seen]

    def quiet(self, spell=1.7):
        """Waits so long, a look and some more, and returns what came: nothing, if all is right."""
        deadline, found = time.monotonic() + spell, []
        while (left := deadline - time.monotonic()) > 0:
            found += self.read(left)
        return [(event["event"], event.get("port")) for event in found]

    def close(self):
        """Leaves the group."""
        self.sock.close()


def _text(payload):
    """Returns an address as text."""
    family = socket.AF_INET if len(payload) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, payload)


def decode(attributes):
    """Returns an event as a dictionary."""
    kind = "RLVS_A_EVENT_"
    of = parse(attributes[N[kind + "SERVICE"]])
    event = {
        "event": KINDS[attributes[N[kind + "TYPE"]][0]],
        "service": (PROTOCOLS[of[N["RLVS_A_SERVICE_PROTOCOL"]][0]],
                    _text(of[N["RLVS_A_SERVICE_ADDRESS"]]),
                    int.from_bytes(of[N["RLVS_A_SERVICE_PORT"]], "big")),
        "address": _text(attributes[N[kind + "ADDRESS"]]),
        "port": int.from_bytes(attributes[N[kind + "PORT"]], "big"),
    }
    for name in ("in_flight", "count"):
        if N[kind + name.upper()] in attributes:
            event[name] = struct.unpack("=I", attributes[N[kind + name.upper()]])[0]
    return event


class Watch:
    """`rlvs watch`, running; its lines are read as they come."""

    def __init__(self, lab):
        with lab.lb:
            # pylint: disable-next=consider-using-with; it runs until it is closed
            self.process = subprocess.Popen(["rlvs", "watch"], stdout=subprocess.PIPE,
                                            stderr=subprocess.PIPE, text=True)
        self._lines = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        self.seen = []
        self.wait("watching")

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def wait(self, kind, limit=6.0):
        """Returns the first line with this event from here on."""
        deadline = time.monotonic() + seconds(limit)
        while (left := deadline - time.monotonic()) > 0:
            try:
                line = self._lines.get(timeout=left)
            except queue.Empty:
                break
            if line is None:
                raise Failure(f"rlvs watch has ended: {self.process.stderr.read().strip()}")
            found = json.loads(line)
            self.seen.append(found["event"])
            if found["event"] == kind:
                return found
        raise Failure(f"no line {kind} in {seconds(limit):.0f} s; there were {self.seen}")

    def ended(self, limit=10.0):
        """Waits until it has ended by itself; returns its exit status and what it said."""
        try:
            status = self.process.wait(seconds(limit))
        except subprocess.TimeoutExpired:
            raise Failure("rlvs watch is still running") from None
        return status, self.process.stderr.read().strip()

    def close(self):
        """Ends it."""
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
