# SPDX-License-Identifier: GPL-2.0
"""Captures by tcpdump, and their judgement by tshark: programs that are not ours."""

import collections
import ipaddress
import os
import signal
import struct
import subprocess
import tempfile
import time

from lib.ktap import Failure, seconds, wait_until

Packet = collections.namedtuple("Packet", "source destination length")

CHECKSUM_STATUS = {"0": "bad", "1": "good"}


# Bytes of a packet that are kept: all of the largest segment. The ring of packets that tcpdump has
# not read yet has places of this size, and more than the fragments of a datagram.
SNAPSHOT = 66000
RING_KIB = 16384


class Capture:
    """A capture at a device, from entering to leaving the `with`."""

    def __init__(self, namespace, device, expression):
        directory = tempfile.mkdtemp(prefix="rlvs-capture-")
        self.path = os.path.join(directory, "packets.pcap")
        self._size = -1
        self._errors = os.path.join(directory, "errors")
        with namespace, open(self._errors, "w", encoding="ascii") as errors:
            self._tcpdump = subprocess.Popen(
                ["tcpdump", "-Z", "root", "-U", "-n", "--immediate-mode", "-s", str(SNAPSHOT),
                 "-B", str(RING_KIB), "-i", device, "-w", self.path, expression], stderr=errors)

    def _said(self, words):
        if self._tcpdump.poll() not in (None, 0):
            with open(self._errors, encoding="ascii") as file:
                raise Failure(f"tcpdump: {file.read().strip()}")
        with open(self._errors, encoding="ascii") as file:
            return words in file.read()

    def __enter__(self):
        wait_until(lambda: self._said("listening on"), "tcpdump listens", limit=20)
        return self

    def _is_done(self):
        """Whether no packets came in since the last look and none waits to be read, as one that
        comes wakes tcpdump. It drops what it has not read."""
        before, self._size = self._size, os.path.getsize(self.path)
        time.sleep(0.1)
        with open(f"/proc/{self._tcpdump.pid}/stat", encoding="ascii") as file:
            sleeps = file.read().rpartition(")")[2].split()[0] == "S"
        return sleeps and self._size == before == os.path.getsize(self.path)

    def __exit__(self, *_):
        wait_until(self._is_done, "tcpdump has written all packets")
        self._tcpdump.send_signal(signal.SIGINT)
        self._tcpdump.wait(timeout=seconds(20))


def ip_packets(path):
    """Returns the IP packets of a capture file, whole."""
    with open(path, "rb") as file:
        header = file.read(24)
        link = struct.unpack_from("=I", header, 20)[0]
        if link != 1:
            raise Failure(f"{path}: link type {link}, wanted Ethernet")
        while record := file.read(16):
            frame = file.read(struct.unpack("=IIII", record)[2])
            if struct.unpack_from("!H", frame, 12)[0] in (0x0800, 0x86DD):
                yield frame[14:]


def packets(path):
    """Yields the IP packets of a capture file: addresses, and the length from the IP header on."""
    for packet in ip_packets(path):
        if packet[0] >> 4 == 4:
            yield Packet(str(ipaddress.ip_address(packet[12:16])),
                         str(ipaddress.ip_address(packet[16:20])),
                         struct.unpack_from("!H", packet, 2)[0])
        else:
            yield Packet(str(ipaddress.ip_address(packet[8:24])),
                         str(ipaddress.ip_address(packet[24:40])),
                         40 + struct.unpack_from("!H", packet, 4)[0])


def fields(path, *names, only=""):
    """Returns what tshark reads in each packet that a display filter lets through: a tuple of
    texts, one for each field name. Values of a field that is there twice have a comma between.
    """
    command = ["tshark", "-n", "-r", path, "-T", "fields", "-Y", only,
               "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE",
               "-o", "udp.check_checksum:TRUE", "-o", "sctp.checksum:CRC 32c",
               "-o", "tcp.desegment_tcp_streams:FALSE"]
    for name in names:
        command += ["-e", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          timeout=seconds(300))
    if done.returncode != 0:
        raise Failure(f"tshark: {done.stderr.strip()}")
    return [tuple(line.split("\t")) for line in done.stdout.splitlines()]


def judge_checksums(path):
    """Returns what tshark finds of the checksums: for each (protocol, source port, destination
    port, "good" or "bad") how many packets."""
    names = ["ip.checksum.status",
             "tcp.srcport", "tcp.dstport", "tcp.checksum.status",
             "udp.srcport", "udp.dstport", "udp.checksum.status",
             "sctp.srcport", "sctp.dstport", "sctp.checksum.status"]
    verdicts = collections.Counter()
    for values in fields(path, *names):
        row = dict(zip(names, values, strict=True))
        version = "4" if row["ip.checksum.status"] else "6"  # IPv6 headers have no checksum
        if version == "4":
            verdicts["ip4", 0, 0, CHECKSUM_STATUS.get(row["ip.checksum.status"], "unknown")] += 1
        for protocol in ("tcp", "udp", "sctp"):
            if row[f"{protocol}.srcport"]:
                status = CHECKSUM_STATUS.get(row[f"{protocol}.checksum.status"], "unknown")
                verdicts[protocol + version, int(row[f"{protocol}.srcport"]),
                         int(row[f"{protocol}.dstport"]), status] += 1
    return verdicts
