# SPDX-License-Identifier: GPL-2.0
"""Each scheduler spreads real connections as it promises."""

from collections import Counter

from lib.clients import refusal, served_by, talk
from lib.ktap import check, each, equal
from lib.lab import FLOWS, TCP, TCP4

PORTS = range(8001, 8004)


def weighted(lab, flow, scheduler, weights):
    """A service whose destinations from port 8001 on have these weights."""
    lab.servers.listen(flow, range(8001, 8001 + len(weights)))
    lab.director().add_weighted(flow, 80, 8001, scheduler, weights)
    return flow.service(80)


@each(FLOWS)
def test_rr_takes_turns(lab, flow):
    weighted(lab, flow, "rr", (1, 1, 1))
    turns = [next(iter(served_by(lab.client, flow, 1))) for _ in range(9)]
    equal(sorted(turns[:3]), list(PORTS), "the first three turns")
    equal(turns[3:], turns[:3] * 2, "the turns after them")


@each(TCP)
def test_turns_go_on_when_destinations_come_and_go(lab, flow):
    """One that comes and goes again before its turn takes nobody's, and lets nobody begin again."""
    service = weighted(lab, flow, "rr", (1, 1, 1))
    turns = []
    for number in range(6):
        if number % 2:
            lab.rlvs(f"dest del {service} :8004")
        else:
            lab.rlvs(f"dest add {service} :8004 --method nat")
        turns += served_by(lab.client, flow, 1)
    equal(turns, [*PORTS] * 2, "the turns")


@each(TCP)
def test_addresses_stay_when_destinations_come_and_go(lab, flow):
    """The address keeps its destination, which is not the least loaded one any more."""
    for scheduler in ("lblc", "lblcr"):
        service = weighted(lab, flow, scheduler, (9, 9, 9))
        with talk(lab.client, flow) as kept:
            lab.rlvs(f"dest add {service} :8004 --weight 9 --method nat")
            equal(served_by(lab.client, flow, 2), {kept.port: 2}, f"with {scheduler}, by port")
            lab.rlvs(f"dest del {service} :8004")
            equal(served_by(lab.client, flow, 2), {kept.port: 2}, f"with {scheduler}, by port")
        lab.rlvs(f"service del {service} --now")
        lab.servers.close_all()


@each(TCP)
def test_a_destination_that_is_heavier_now_is_chosen(lab, flow):
    """A change of a weight, without any connection, is seen by the next choice."""
    for scheduler in ("sed", "fo", "ovf"):
        service = weighted(lab, flow, scheduler, (3, 1, 1))
        with talk(lab.client, flow) as first:
            equal(first.port, 8001, f"with {scheduler}, the first")
            lab.rlvs(f"dest edit {service} :8003 --weight 9")
            with talk(lab.client, flow) as second:
                equal(second.port, 8003, f"with {scheduler}, when another is heavier")
                lab.rlvs(f"dest edit {service} :8003 --weight 0")
                with talk(lab.client, flow) as third:
                    check(third.port != 8003, f"with {scheduler}, a quiesced one was chosen")
        lab.rlvs(f"service del {service} --now")
        lab.servers.close_all()


@each(FLOWS)
def test_wrr_follows_the_weights(lab, flow):
    weighted(lab, flow, "wrr", (1, 2, 5))
    equal(served_by(lab.client, flow, 16), {8001: 2, 8002: 4, 8003: 10}, "conversations by port")


@each(TCP)
def test_wrr_spreads_a_heavy_one_s_turns(lab, flow):
    """After every connection, no destination has strayed from its share by more than one."""
    weighted(lab, flow, "wrr", (1, 2, 5))
    counts = Counter()
    for number in range(1, 17):
        counts += Counter(served_by(lab.client, flow, 1))
        for port, weight in zip(PORTS, (1, 2, 5), strict=True):
            share = number * weight / 8
            equal(abs(counts[port] - share) <= 1, True,
                  f"after {number} connections port {port} has {counts[port]}, "
                  f"its share is {share}; within one")


@each(FLOWS)
def test_wlc_chooses_the_least_loaded(lab, flow):
    weighted(lab, flow, "wlc", (1, 1, 1))
    held = [talk(lab.client, flow) for _ in range(6)]
    equal(Counter(c.port for c in held), Counter({port: 2 for port in PORTS}), "held by port")
    for conversation in held:
        conversation.close()


@each(TCP)
def test_wlc_refills_what_became_free(lab, flow):
    weighted(lab, flow, "wlc", (1, 1, 1))
    held = [talk(lab.client, flow) for _ in range(9)]
    for conversation in [c for c in held if c.port == 8002]:
        held.remove(conversation)
        conversation.close(reset=True)
    held += [talk(lab.client, flow) for _ in range(3)]
    equal(Counter(c.port for c in held), Counter({port: 3 for port in PORTS}), "held by port")
    for conversation in held:
        conversation.close()


@each(FLOWS)
def test_wlc_follows_the_weights(lab, flow):
    weighted(lab, flow, "wlc", (1, 3))
    held = [talk(lab.client, flow) for _ in range(8)]
    equal(Counter(c.port for c in held), Counter({8001: 2, 8002: 6}), "held by port")
    for conversation in held:
        conversation.close()


@each(TCP)
def test_wlc_is_what_a_service_has_unless_told_otherwise(lab, flow):
    lab.rlvs(f"service add {flow.service(80)}")
    equal(lab.find(flow.service(80))["scheduler"], "wlc", "the scheduler")


@each(TCP)
def test_the_scheduler_can_be_changed_while_it_serves(lab, flow):
    service = weighted(lab, flow, "rr", (1, 1, 6))
    with talk(lab.client, flow) as kept:
        equal(served_by(lab.client, flow, 6), {port: 2 for port in PORTS}, "with rr, by port")
        lab.rlvs(f"service edit {service} --scheduler wrr")
        equal(served_by(lab.client, flow, 8), {8001: 1, 8002: 1, 8003: 6}, "with wrr, by port")
        equal(lab.find(service)["scheduler"], "wrr", "the scheduler")
        kept.bulk(20_000)


@each(FLOWS)
def test_hashing_gives_a_client_the_same_destination(lab, flow):
    lab.servers.listen(flow, PORTS)
    service = lab.balance(flow, ports="8001-8003", scheduler="sh")
    for scheduler in ("sh", "mh", "mh --table-size 65537", "dh"):
        lab.rlvs(f"service edit {service} --scheduler {scheduler}")
        equal(len(served_by(lab.client, flow, 6)), 1, f"with {scheduler}, destinations")


@each(TCP)
def test_hashing_of_ports_spreads_a_client(lab, flow):
    lab.servers.listen(flow, PORTS)
    service = lab.balance(flow, ports="8001-8003", scheduler="rr")
    for scheduler in ("sh", "mh"):
        lab.rlvs(f"service edit {service} --scheduler {scheduler} --flags {scheduler}-port")
        found = lab.find(service)
        equal((found["scheduler"], found["flags"]), (scheduler, [f"{scheduler}-port"]), "listed")
        equal(sorted(served_by(lab.client, flow, 40)), list(PORTS), f"with {scheduler}, by port")


@each(FLOWS)
def test_fallback_takes_the_clients_of_a_quiesced_destination(lab, flow):
    lab.servers.listen(flow, PORTS)
    service = lab.balance(flow, ports="8001-8003")
    for scheduler in ("sh", "mh"):
        lab.rlvs(f"service edit {service} --scheduler {scheduler}")
        own = next(iter(served_by(lab.client, flow, 1)))
        with talk(lab.client, flow) as kept:
            lab.rlvs(f"dest edit {service} :{own} --weight 0")
            equal(refusal(lab.client, flow), "refused", f"with {scheduler}, a new connection")
            lab.rlvs(f"service edit {service} --flags {scheduler}-fallback")
            other = served_by(lab.client, flow, 3)
            check(len(other) == 1 and own not in other, f"{scheduler}: {other} in place of {own}")
            kept.say(b"still there?")
        lab.rlvs(f"dest edit {service} :{own} --weight 1")
        equal(served_by(lab.client, flow, 2), {own: 2}, f"with {scheduler}, once it is back")


@each(TCP)
def test_schedulers_by_load(lab, flow):
    """What each makes of three destinations with weights 1, 1 and 4, while all connections last."""
    for scheduler, expected in (
            ("lc", {8001: 2, 8002: 2, 8003: 2}),
            ("sed", {8001: 1, 8002: 1, 8003: 4}),
            ("nq", {8001: 1, 8002: 1, 8003: 4}),
            ("fo", {8003: 6}),
            ("ovf", {8003: 5, 8001: 1})):
        weighted(lab, flow, scheduler, (1, 1, 4))
        held = [talk(lab.client, flow) for _ in range(6)]
        equal(Counter(c.port for c in held), Counter(expected), f"with {scheduler}, by port")
        for conversation in held:
            conversation.close(reset=True)
        lab.reset()


@each(FLOWS)
def test_draws_reach_every_destination(lab, flow):
    for scheduler in ("twos", "p2c"):
        weighted(lab, flow, scheduler, (1, 1, 2))
        held = [talk(lab.client, flow) for _ in range(24)]
        found = Counter(c.port for c in held)
        for port, share in ((8001, 6), (8002, 6), (8003, 12)):
            check(abs(found[port] - share) <= 5, f"{scheduler}: port {port} has {found[port]}")
        for conversation in held:
            conversation.close()
        lab.reset()


def test_flags_that_do_not_fit_are_refused(lab):
    service = lab.balance(TCP4, scheduler="rr")
    for settings, words in (("--scheduler wlc --flags none --table-size 65537", "table size"),
                            ("--scheduler mh --table-size 4094", "4093 or 65537")):
        text = lab.refused(f"service edit {service} {settings}")
        check(words in text, f"{settings}: {text}")
    for settings in ("--flags sh-port", "--scheduler mh --flags sh-port"):
        done = lab.try_rlvs(f"service edit {service} {settings}")
        equal(done.returncode, 2, f"{settings}: status")
        check("is for the scheduler sh" in done.stderr, f"{settings}: {done.stderr}")
