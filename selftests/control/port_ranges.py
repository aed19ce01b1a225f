# SPDX-License-Identifier: GPL-2.0
"""A command with a range of ports is carried out for all of them or for none."""

from lib.clients import served_by
from lib.ktap import check, each, equal
from lib.lab import FAMILIES, FLOWS, TCP4


def ports(lab, service):
    """The ports of a service's destinations."""
    return sorted(lab.destinations(service))


@each(FLOWS)
def test_a_range_makes_a_destination_for_every_port(lab, flow):
    lab.servers.listen(flow, range(8001, 8009))
    service = lab.balance(flow, ports="8001-8008")
    equal(ports(lab, service), list(range(8001, 8009)), "ports")
    equal(served_by(lab.client, flow, 8), {port: 1 for port in range(8001, 8009)},
          "conversations by port")


@each(FAMILIES)
def test_edit_and_delete_part_of_a_range(lab, flow):
    service = lab.balance(flow)
    lab.rlvs(f"dest edit {service} :8002-8003 --weight 7")
    weights = {port: d["weight"] for port, d in lab.destinations(service).items()}
    equal(weights, {8001: 1, 8002: 7, 8003: 7, 8004: 1}, "weights by port")
    lab.rlvs(f"dest del {service} :8002-8003")
    equal(ports(lab, service), [8001, 8004], "ports that are left")


@each(FAMILIES)
def test_a_range_over_an_existing_destination_adds_nothing(lab, flow):
    service = lab.balance(flow, ports="8004")
    lab.refused(f"dest add {service} :8001-8008 --method nat")
    equal(ports(lab, service), [8004], "ports")


@each(FAMILIES)
def test_a_range_over_the_service_itself_adds_nothing(lab, flow):
    service = lab.balance(flow, ports="8004")
    lab.refused(f"dest add {service} :78-82 --method nat")
    equal(ports(lab, service), [8004], "ports")


@each(FAMILIES)
def test_a_range_with_a_gap_is_neither_edited_nor_deleted(lab, flow):
    service = lab.balance(flow)
    lab.rlvs(f"dest del {service} :8003")
    lab.refused(f"dest edit {service} :8001-8004 --weight 5")
    lab.refused(f"dest del {service} :8001-8004")


def test_the_largest_ports(lab):
    service = lab.balance(TCP4, ports="65530-65535")
    equal(ports(lab, service), list(range(65530, 65536)), "ports")
    lab.rlvs(f"dest del {service} :65530-65535")
    check(not lab.destinations(service), "destinations are left")
