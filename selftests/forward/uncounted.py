# SPDX-License-Identifier: GPL-2.0
"""With the flag uncounted, steered connections are not recorded.

What would need their records is refused.
"""

import contextlib
import errno
import time

from lib import ipvs
from lib.clients import served_by, talk
from lib.events import Events
from lib.genl import Error, parse
from lib.ipvs import Ipvs, dest, identity, service, whole_dest, whole_service
from lib.ktap import check, each, equal, wait_until
from lib.lab import TCP, TCP4

PORTS = range(8001, 8005)
SOURCE_PORT = 40404
COUNTS = "active_connections", "inactive_connections", "in_flight"
BY_CONNECTIONS = "lc", "wlc", "sed", "nq", "ovf", "lblc", "lblcr", "twos", "p2c", "jsq"
OTHERS = "rr", "wrr", "fo", "sh", "dh", "mh"


def steer_uncounted(lab, flow, port=80, ports="8001-8004"):
    """A service with the flag, which steers; its name."""
    name = flow.service(port)
    lab.rlvs(f"service add {name} --scheduler rr --flags uncounted")
    lab.rlvs(f"dest add {name} :{ports} --method steer")
    return name


def recorded(lab, flow, port=80):
    """How many connections each destination has by its records, which the family IPVS always
    tells."""
    reply = Ipvs(lab.lb).must(ipvs.GET_DEST, service(identity(flow, port)), dump=True)
    found = [parse(one[ipvs.DEST]) for one in reply]
    return {int.from_bytes(one[ipvs.D_PORT], "big"): int.from_bytes(one[ipvs.D_ACTIVE], "little")
            + int.from_bytes(one[ipvs.D_INACTIVE], "little") for one in found}


@contextlib.contextmanager
def sysctl(lab, name, value, usual):
    """Another setting of lb for a while."""
    lab.lb.sysctl(name, value)
    try:
        yield
    finally:
        lab.lb.sysctl(name, usual)


# Connections.


@each(TCP)
def test_connections_are_made_and_not_recorded(lab, flow):
    lab.servers.listen(flow, PORTS)
    name = steer_uncounted(lab, flow)
    before = lab.counter("steered"), lab.counter("uncounted")
    for where in (lab.client, lab.lb):
        equal(served_by(where, flow, 8), dict.fromkeys(PORTS, 2), "conversations by port")
    held = [talk(where, flow) for where in (lab.client, lab.lb) * 4]
    equal(recorded(lab, flow), dict.fromkeys(PORTS, 0), "connections by records")
    equal(lab.find(name)["stats"], {"connections": 24, "avoided": 0}, "the service's statistics")
    for port, one in lab.destinations(name).items():
        equal(one["stats"], {"connections": 6, "avoided": 0}, f"the statistics of {port}")
        equal([count for count in COUNTS if count in one], [], "what is told of connections")
    # A table that is full is none of its business, and it does not fill it.
    with sysctl(lab, "net.ipv4.vs.conn_max", 0, 4194304):
        equal(served_by(lab.client, flow, 4), dict.fromkeys(PORTS, 1), "without room")
    natted = lab.balance(flow, ports="8001", port=81)
    with sysctl(lab, "net.ipv4.vs.conn_max", 1, 4194304), talk(lab.client, flow, 81) as other:
        other.bulk(20_000)
    equal(lab.destinations(natted)[8001]["stats"]["connections"], 1, "connections that are nat")
    equal((lab.counter("steered"), lab.counter("uncounted")), (before[0] + 28, before[1]),
          "the counters steered and uncounted")
    for conversation in held:
        conversation.bulk(50_000)
        conversation.close()
    table = lab.rlvs(f"list {name}").splitlines()
    equal(table[2].split()[1:], ["rr", "uncounted"], "the scheduler and flags")
    equal(table[3].split()[1:], "steer listening 1 - - - -".split(), "columns of a destination")


@each(TCP)
def test_connections_by_syn_cookies(lab, flow):
    lab.servers.listen(flow, PORTS)
    name = steer_uncounted(lab, flow)
    # Who has sent no cookie does not get one back.
    with sysctl(lab, "net.ipv4.tcp_syncookies", 2, 1):
        for where in (lab.client, lab.lb):
            for _ in range(4):
                with talk(where, flow) as conversation:
                    conversation.bulk(20_000)
                    equal(sum(recorded(lab, flow).values()), 0, "connections by records")
    equal(lab.find(name)["stats"]["connections"], 8, "connections made")


@each(TCP)
def test_the_flag_comes_and_goes_while_connections_live(lab, flow):
    """Records that there are go within a second, and come for new connections only."""
    lab.servers.listen(flow, PORTS)
    name = lab.steer(flow)
    places = (lab.client, lab.lb) * 4
    held = [talk(where, flow) for where in places]
    equal(recorded(lab, flow), dict.fromkeys(PORTS, 2), "connections by records")
    lab.rlvs(f"service edit {name} --flags uncounted")
    wait_until(lambda: recorded(lab, flow) == dict.fromkeys(PORTS, 0), "the records are gone")
    held += [talk(where, flow) for where in places]
    equal(recorded(lab, flow), dict.fromkeys(PORTS, 0), "records with the flag")
    lab.rlvs(f"service edit {name} --flags none --scheduler wlc")
    counted = [talk(where, flow) for where in places]
    equal(recorded(lab, flow), dict.fromkeys(PORTS, 2), "records without it")
    # Those that have none end without a trace.
    for conversation in held:
        conversation.bulk(20_000)
        conversation.close()
    time.sleep(2)  # the periodic work finds them, if it finds any
    found = lab.destinations(name)
    equal({port: d["active_connections"] for port, d in found.items()}, dict.fromkeys(PORTS, 2),
          "active connections")
    equal([d for d in found.values() if "in_flight" in d], [], "destinations that tell what is "
          "in flight")
    for conversation in counted:
        conversation.bulk(20_000)
        conversation.close()
    wait_until(lambda: recorded(lab, flow) == dict.fromkeys(PORTS, 0), "all records are gone")


@each(TCP)
def test_a_record_is_not_taken_for_the_next_connection(lab, flow):
    """The client uses its port again, at another destination, while the old record is there."""
    lab.servers.listen(flow, PORTS)
    name = lab.steer(flow)
    for where in (lab.client, lab.lb):
        with talk(where, flow, source_port=SOURCE_PORT) as first:
            equal(recorded(lab, flow)[first.port], 1, "connections by records")
            lab.rlvs(f"service edit {name} --flags uncounted")
            first.close(reset=True)
        with talk(where, flow, source_port=SOURCE_PORT) as second:
            check(second.port != first.port, "it is the same destination")
            wait_until(lambda: recorded(lab, flow) == dict.fromkeys(PORTS, 0), "no records")
            second.bulk(20_000)
            second.close(reset=True)
        lab.rlvs(f"service edit {name} --flags none")


@each(TCP)
def test_nat_is_as_ever(lab, flow):
    """The flag waits until the service steers."""
    lab.servers.listen(flow, PORTS)
    name = flow.service(80)
    lab.rlvs(f"service add {name} --scheduler rr --flags uncounted")
    lab.rlvs(f"dest add {name} :8001-8004 --method nat")
    held = [talk(where, flow) for where in (lab.client, lab.lb) * 4]
    found = lab.destinations(name)
    equal([[one[count] for count in COUNTS] for one in found.values()], [[2, 0, 2]] * 4,
          "active, inactive and in flight")
    lab.rlvs(f"dest edit {name} :8001-8004 --method steer")
    for one in lab.destinations(name).values():
        equal([count for count in COUNTS if count in one], [], "what is told when it steers")
    held += [talk(where, flow) for where in (lab.client, lab.lb) * 2]
    equal(recorded(lab, flow), dict.fromkeys(PORTS, 2), "connections that have entries")
    for conversation in held:
        conversation.bulk(20_000)
        conversation.close()


# What cannot be known is refused.


def refused(lab, line, *words):
    """The request is refused by a text with these words, and changes nothing."""
    text = lab.refused(line)
    check(all(word in text for word in words), f"rlvs {line}: {text}")


@each(TCP)
def test_what_goes_by_connections_is_refused(lab, flow):
    """Schedulers and bounds, with the flag and before it."""
    new, name = flow.service(81), steer_uncounted(lab, flow)
    why = "EINVAL", "goes by numbers of connections", "use rr, wrr, fo, sh, dh or mh"
    refused(lab, f"service add {new} --flags uncounted", *why, "--flags")
    for scheduler in BY_CONNECTIONS:
        refused(lab, f"service edit {name} --scheduler {scheduler}", *why)
    for scheduler in OTHERS:
        lab.rlvs(f"service edit {name} --scheduler {scheduler}")
    lab.rlvs(f"service add {new} --scheduler wlc")
    refused(lab, f"service edit {new} --flags uncounted", *why, "--flags")
    lab.rlvs(f"service edit {new} --flags uncounted --scheduler rr")

    why = "EINVAL", "max-connections"
    refused(lab, f"dest edit {name} :8001-8002 --max-connections 9", *why, "--max-connections")
    refused(lab, f"dest add {name} :8005 --method steer --max-connections 9", *why,
            "--max-connections")
    bounded = flow.service(82)
    lab.rlvs(f"service add {bounded} --scheduler rr")
    lab.rlvs(f"dest add {bounded} :8001-8002 --max-connections 9 --min-connections 1 --method nat")
    refused(lab, f"service edit {bounded} --flags uncounted", *why, "--flags")
    lab.rlvs(f"dest edit {bounded} :8001-8002 --max-connections 0 --min-connections 0")
    lab.rlvs(f"service edit {bounded} --flags uncounted")


@each(TCP)
def test_one_that_comes_back_comes_without_its_bounds(lab, flow):
    lab.servers.listen(flow, [8001])
    name = lab.steer(flow, ports="8001")
    lab.rlvs(f"dest edit {name} :8001 --max-connections 9")
    with talk(lab.client, flow) as conversation:
        lab.rlvs(f"dest del {name} :8001")
        lab.rlvs(f"service edit {name} --flags uncounted")
        lab.rlvs(f"dest add {name} :8001 --method steer")
        equal(lab.find(name)["stats"]["connections"], 1, "connections of the one that came back")
        conversation.bulk(10_000)


@each(TCP)
def test_a_service_that_never_steers_has_no_such_flag(lab, flow):
    why = "EINVAL", "only a tcp service that is neither persistent nor sloppy"
    name = flow.service(80)
    for other in (name.replace("tcp", "udp"), name.replace("tcp", "sctp")):
        refused(lab, f"service add {other} --scheduler rr --flags uncounted", *why)
    refused(lab, f"service add {name} --scheduler rr --flags uncounted,sloppy", *why)
    refused(lab, f"service add {name} --scheduler rr --flags uncounted --persistent 60", *why)
    lab.rlvs(f"service add {name} --scheduler rr --flags uncounted")
    refused(lab, f"service edit {name} --persistent 60", *why)
    refused(lab, f"service edit {name} --flags uncounted,sloppy", *why)
    lab.rlvs(f"service edit {name} --flags sloppy --persistent 60")
    refused(lab, f"service edit {name} --flags uncounted", *why)


@each(TCP)
def test_ending_what_nobody_knows_is_refused(lab, flow):
    """Also after the flag, until the destination is added anew; plain deletion is not."""
    lab.servers.listen(flow, PORTS)
    name = steer_uncounted(lab, flow)
    held = [talk(where, flow) for where in (lab.client, lab.lb) * 4]
    deletions = f"dest del {name} :8001", f"service del {name}", "flush"
    why = "EINVAL", "--now", "expire_nodest_conn=0"
    for flags in ("uncounted", "none"):
        lab.rlvs(f"service edit {name} --flags {flags}")
        for line in deletions:
            refused(lab, line + " --now", *why)
        with sysctl(lab, "net.ipv4.vs.expire_nodest_conn", 1, 0):
            for line in deletions:
                refused(lab, line, *why)
    for line in deletions:
        lab.rlvs(line)
        for conversation in held:
            conversation.bulk(10_000)
    again = lab.steer(flow)
    counted = [talk(where, flow) for where in (lab.client, lab.lb) * 2]
    lab.rlvs(f"dest del {again} :8001-8002 --now")
    lab.rlvs("flush --now")
    for conversation in counted:
        equal(conversation.ends(), "reset", "a connection that was recorded")
    for conversation in held:
        conversation.bulk(10_000)
        conversation.close()


@each(TCP)
def test_draining_what_nobody_counts_is_refused(lab, flow):
    """And no event says that the last connection has ended. Quiescing is not refused."""
    lab.servers.listen(flow, PORTS)
    name = steer_uncounted(lab, flow)
    held = [talk(where, flow) for where in (lab.client, lab.lb) * 4]
    events = Events(lab.lb)
    events.quiet()
    for flags in ("uncounted", "none"):
        lab.rlvs(f"service edit {name} --flags {flags}")
        refused(lab, f"dest drain {name} :8001-8002 --timeout 5", "flag uncounted", "--weight 0")
    lab.rlvs(f"dest edit {name} :8001 --weight 0")
    check("in_flight" not in events.wait(("draining", 8001)), "the event tells what is in flight")
    for conversation in held:
        conversation.bulk(10_000)
        conversation.close()
    check(("drained", 8001) not in events.quiet(2.5), "an event says that it has drained")
    equal(lab.destinations(name)[8001]["drained"], False, "whether it is listed as drained")
    events.close()
    # One that is added when the flag is gone is known from the beginning.
    lab.rlvs(f"dest del {name} :8001-8004")
    wait_until(lambda: recorded(lab, flow) == {}, "they are gone")
    time.sleep(2)  # who heard of events was remembered until nothing was left
    lab.rlvs(f"dest add {name} :8001-8002 --method steer")
    lab.rlvs(f"dest drain {name} :8001 --timeout 20")


def test_the_family_ipvs_refuses_the_same(lab):
    """It neither sees nor sets the flag, and has to leave what the flag rules out."""
    lab.servers.listen(TCP4, PORTS)
    name = steer_uncounted(lab, TCP4)
    family, own = Ipvs(lab.lb), service(identity(TCP4))

    def outcome(command, attributes, words=""):
        """The request is refused, by a text with these words if there are any."""
        before = lab.services()
        found = family.request(command, attributes)
        check(isinstance(found, Error), f"command {command} was granted")
        equal(errno.errorcode.get(found.errno), "EINVAL", f"the errno of {found}")
        check(words in found.text, f"the text of {found}")
        equal(lab.services(), before, f"services after {found}")

    def whole(**options):
        return service(whole_service(TCP4, **options))

    for scheduler in BY_CONNECTIONS:
        outcome(ipvs.SET_SERVICE, whole(scheduler=scheduler), "goes by numbers of connections")
    lab.rlvs(f"service add {TCP4.service(81)} --scheduler rr --flags uncounted")
    persistent = whole(port=81, flags=ipvs.PERSISTENT, timeout=60)
    outcome(ipvs.SET_SERVICE, persistent, "neither persistent")
    for command, port in ((ipvs.NEW_DEST, 8005), (ipvs.SET_DEST, 8001)):
        outcome(command, own + dest(whole_dest(TCP4, port, upper=9)), "max-connections")
    with sysctl(lab, "net.ipv4.vs.expire_nodest_conn", 1, 0):
        outcome(ipvs.DEL_DEST, own + dest(whole_dest(TCP4, 8001)), "cannot be ended")
        outcome(ipvs.DEL_SERVICE, own, "cannot be ended")
        outcome(ipvs.FLUSH, b"", "cannot be ended")
    flags = parse(family.must(ipvs.GET_SERVICE, own)[0][ipvs.SERVICE])[ipvs.S_FLAGS]
    equal(flags[:4], ipvs.HASHED.to_bytes(4, "little"), "the flags of the service")
    family.must(ipvs.SET_SERVICE, whole(scheduler="wrr"))
    family.must(ipvs.NEW_DEST, own + dest(whole_dest(TCP4, 8005)))
    equal(lab.find(name)["flags"], ["uncounted"], "the flags afterwards")
    family.must(ipvs.DEL_DEST, own + dest(whole_dest(TCP4, 8005)))
    family.must(ipvs.DEL_SERVICE, own)
