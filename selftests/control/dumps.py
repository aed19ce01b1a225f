# SPDX-License-Identifier: GPL-2.0
"""Lists that do not fit one netlink message are complete."""

import json
import socket

from lib.genl import N, Genl, destination, service
from lib.ktap import equal, wait_until
from lib.lab import FLOWS, TCP4, UDP4

SERVICES = 300
DESTINATIONS = 1100
CONNECTIONS = 700


def test_many_services(lab):
    connection = Genl(lab.lb)
    wanted = set()
    for number in range(SERVICES):
        flow = FLOWS[number % 4]
        connection.must(N["RLVS_CMD_SERVICE_ADD"], service(flow, 1000 + number, scheduler="rr"))
        connection.must(N["RLVS_CMD_DESTINATION_ADD"],
                        destination(service(flow, 1000 + number), 20_000, 20_001))
        wanted.add((flow.protocol, flow.vip, 1000 + number, "rr", (20_000, 20_001)))
    listed = json.loads(lab.rlvs("list --json"))["services"]
    listed = [(s["protocol"], s["address"], s["port"], s["scheduler"],
               tuple(sorted(d["port"] for d in s["destinations"]))) for s in listed]
    equal(len(listed), SERVICES, "services listed")
    equal(set(listed), wanted, "the services")


def test_many_destinations(lab):
    lab.rlvs(f"service add {TCP4.service(80)}")
    lab.rlvs(f"dest add {TCP4.service(80)} :20001-{20000 + DESTINATIONS} --weight 3 --method nat")
    listed = json.loads(lab.rlvs(f"list {TCP4.service(80)} --json"))["services"]
    found = [d["port"] for entry in listed for d in entry["destinations"]]
    equal(len(found), DESTINATIONS, "destinations listed")
    equal(set(found), set(range(20001, 20001 + DESTINATIONS)), "their ports")
    text = lab.rlvs(f"list {TCP4.service(80)}")
    equal(sum(f":{port} " in text or f":{port}\n" in text for port in found), DESTINATIONS,
          "destinations in the table for people")


def test_many_connections(lab):
    lab.servers.listen(UDP4, range(8001, 8005))
    lab.balance(UDP4)
    for number in range(CONNECTIONS):
        with lab.client, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((UDP4.client, 30_000 + number))
            sock.sendto(b"hello", (UDP4.vip, 80))
    wait_until(lambda: lab.counter("entries") == CONNECTIONS, "every datagram has made an entry")
    ports = [c["client_port"] for c in json.loads(lab.rlvs("conns --json"))["connections"]]
    equal(len(ports), CONNECTIONS, "entries listed")
    equal(set(ports), set(range(30_000, 30_000 + CONNECTIONS)), "their client ports")
