# SPDX-License-Identifier: GPL-2.0
"""Each message of the family IPVS has the errno and effect that it has with ip_vs.

Each case is one message; it is sent to ip_vs and then to rlvs, and errno, the attributes of what
is answered and all that is configured afterwards have to be the same. What rlvs cannot do yet is
refused with EOPNOTSUPP and a text, which the last subtests are about.
"""

import errno
import os
import struct

from lib import ipvs, kernel
from lib.genl import Error, attr
from lib.ipvs import (D_ADDR, D_AF, D_FWD, D_LOWER, D_PORT, D_UPPER, D_WEIGHT, MASQ, S_ADDR, S_AF,
                      S_FLAGS, S_NETMASK, S_PE, S_PORT, S_PROTOCOL, S_SCHED, S_STATS, S_STATS64,
                      S_TIMEOUT, SERVICE, Ipvs, be16, dest, errno_of, identity, service, string,
                      u16, u32, whole_dest, whole_service)
from lib.ktap import check, each, equal
from lib.lab import FAMILIES, SCTP4, TCP4, TCP6, UDP4
from lib.like_ip_vs import load_ip_vs, unload_ip_vs

LIMIT = 240

ID, NEW, TARGET = identity(TCP4), whole_service(TCP4, 81), whole_dest(TCP4, 8002)
NEW6, TARGET6, KNOWN = whole_service(TCP6, 81), whole_dest(TCP6, 8002), whole_dest(TCP4, 8001)


def without(attributes, *kinds):
    """All attributes but these."""
    return {kind: value for kind, value in attributes.items() if kind not in kinds}


def plain(kind, attributes):
    """A nest that is not marked as one, as older programs send it."""
    return attr(kind, b"".join(attributes.values()))


def services():
    """Cases of services: name, command, attributes."""
    new, change, remove = ipvs.NEW_SERVICE, ipvs.SET_SERVICE, ipvs.DEL_SERVICE
    yield "a new service", new, service(NEW)
    yield "one of IPv6", new, service(NEW6)
    yield "one of SCTP", new, service(whole_service(SCTP4, 81))
    yield "in a nest that is not marked", new, plain(SERVICE, NEW)
    yield "an address of 4 bytes", new, service(NEW | {S_ADDR: attr(S_ADDR, bytes(4))})
    for size in (0, 3, 8, 17, 20):
        yield f"an address of {size} bytes", new, service(
            NEW | {S_ADDR: attr(S_ADDR, b"\1" * size)})
    yield "attributes that nobody knows", new, service(NEW, attr(99, b"x"), attr(17, b"12345"))
    yield "beside the nest as well", new, service(NEW) + attr(77, b"unknown")
    yield "no nest", new, b""
    yield "an empty nest", new, attr(SERVICE)
    yield "half an attribute in it", new, attr(SERVICE, b"\xff" * 3)
    yield "an attribute that is too long in it", new, attr(SERVICE, struct.pack("=HH", 99, 1))
    for kind in NEW:
        yield f"a new one without attribute {kind}", new, service(without(NEW, kind))
        yield f"an edit without attribute {kind}", change, service(
            without(whole_service(TCP4), kind))
        yield f"attribute {kind} of one byte", new, service(NEW | {kind: attr(kind, b"\1")})
        yield f"attribute {kind} of no bytes", new, service(NEW | {kind: attr(kind)})
    for family in (0, 1, 3, 99):
        yield f"address family {family}", new, service(NEW | {S_AF: u16(S_AF, family)})
    for name in ("", "nosuch", "RR", "s" * 15, "s" * 16, "s" * 200):
        for command in (new, change):
            base = NEW if command == new else whole_service(TCP4)
            yield f"command {command}, scheduler {name!r}", command, service(
                base | {S_SCHED: string(S_SCHED, name)})
    yield "a persistence engine that there is not", new, service(NEW, string(S_PE, "nosuch"))
    yield "one with a long name", new, service(NEW, string(S_PE, "p" * 17))
    for mask in (0, 129, 255, 0xFFFFFFFF):
        yield f"IPv6 prefix {mask}", new, service(NEW6 | {S_NETMASK: u32(S_NETMASK, mask)})
    for flags, bits in ((ipvs.PERSISTENT, 0xFFFFFFFF), (ipvs.PERSISTENT, 0), (0, 0),
                        (ipvs.HASHED, 0xFFFFFFFF), (ipvs.PERSISTENT, ipvs.ONE_PACKET)):
        given = {S_FLAGS: attr(S_FLAGS, struct.pack("=II", flags, bits)),
                 S_TIMEOUT: u32(S_TIMEOUT, 100)}
        yield f"new, flags {flags:#x} of {bits:#x}", new, service(NEW | given)
        yield f"edit, flags {flags:#x} of {bits:#x}", change, service(whole_service(TCP4) | given)
        yield f"persistent, flags {flags:#x} of {bits:#x}", change, service(
            whole_service(UDP4) | given)
    yield "a service that there is", new, service(whole_service(TCP4))
    yield "with another scheduler", new, service(whole_service(TCP4, scheduler="wlc"))
    yield "an edit", change, service(whole_service(TCP4, scheduler="wlc"))
    for command in (change, remove, ipvs.ZERO, ipvs.GET_SERVICE):
        yield f"command {command} of no service", command, service(whole_service(TCP4, 99))
        yield f"command {command} by its name only", command, service(ID)
        yield f"command {command} with all attributes", command, service(whole_service(TCP4))
        for kind in ID:
            yield f"command {command} without attribute {kind}", command, service(
                without(ID, kind))
    yield "no attributes to be deleted by", remove, b""
    yield "no attributes to be found by", ipvs.GET_SERVICE, b""


def destinations():
    """Cases of destinations."""
    new, change, remove = ipvs.NEW_DEST, ipvs.SET_DEST, ipvs.DEL_DEST
    own = service(ID)
    yield "a new destination", new, own + dest(TARGET)
    yield "one of IPv6", new, service(identity(TCP6)) + dest(TARGET6)
    yield "in nests that are not marked", new, plain(SERVICE, ID) + plain(ipvs.DEST, TARGET)
    yield "an address of 4 bytes", new, own + dest(
        TARGET | {D_ADDR: attr(D_ADDR, ipvs.octets(TCP4.vip))})
    yield "no family", new, own + dest(without(TARGET, D_AF))
    yield "no family, IPv6", new, service(identity(TCP6)) + dest(without(TARGET6, D_AF))
    for family in (0, 1, 3, 10, 99):
        yield f"family {family}", new, own + dest(TARGET | {D_AF: u16(D_AF, family)})
    for kind in without(TARGET, D_AF):
        yield f"a new one without attribute {kind}", new, own + dest(without(TARGET, kind))
        yield f"an edit without attribute {kind}", change, own + dest(without(KNOWN, kind))
        yield f"attribute {kind} of no bytes", new, own + dest(TARGET | {kind: attr(kind)})
    yield "attributes that nobody knows", new, own + dest(TARGET, attr(99, b"x"))
    yield "no service", new, dest(TARGET)
    yield "no destination", new, own
    yield "an empty one", new, own + attr(ipvs.DEST)
    yield "weight 0", new, own + dest(TARGET | {D_WEIGHT: u32(D_WEIGHT, 0)})
    yield "weight 65535", new, own + dest(TARGET | {D_WEIGHT: u32(D_WEIGHT, 65535)})
    yield "weight -1", new, own + dest(TARGET | {D_WEIGHT: u32(D_WEIGHT, -1)})
    for upper, lower in ((10, 5), (5, 10), (0, 5), (5, 5), (1 << 31, 0), (1 << 31, 1 << 31),
                         (0x7FFFFFFF, 0x7FFFFFFF), (0, 1 << 31)):
        bounds = {D_UPPER: u32(D_UPPER, upper), D_LOWER: u32(D_LOWER, lower)}
        yield f"thresholds {upper} and {lower}", new, own + dest(TARGET | bounds)
        yield f"an edit to {upper} and {lower}", change, own + dest(KNOWN | bounds)
    yield "method 8", new, own + dest(TARGET | {D_FWD: u32(D_FWD, 8)})
    yield "method 0x100", new, own + dest(TARGET | {D_FWD: u32(D_FWD, 0x100)})
    for address in ("224.0.0.1", "255.255.255.255"):
        yield f"address {address}", new, own + dest(TARGET | {D_ADDR: attr(D_ADDR,
                                                                           ipvs.wide(address))})
    yield "address ff02::1", new, service(identity(TCP6)) + dest(
        TARGET6 | {D_ADDR: attr(D_ADDR, ipvs.wide("ff02::1"))})
    yield "one that there is", new, own + dest(KNOWN)
    yield "with another weight", new, own + dest(whole_dest(TCP4, weight=9))
    yield "an edit", change, own + dest(whole_dest(TCP4, weight=9, upper=7, lower=3))
    yield "an edit of none", change, own + dest(TARGET)
    yield "a deletion", remove, own + dest(KNOWN)
    yield "a deletion by its name only", remove, own + dest(
        {D_ADDR: TARGET[D_ADDR], D_PORT: be16(D_PORT, 8001)})
    yield "a deletion of none", remove, own + dest(TARGET)
    for command in (new, change, remove):
        yield f"command {command} of no service", command, service(identity(TCP4, 99)) + dest(KNOWN)
        yield f"command {command} of a service without a port", command, service(
            without(ID, S_PORT)) + dest(KNOWN)


def the_rest():
    """Cases of everything else."""
    yield "information", ipvs.GET_INFO, b""
    yield "timeouts", ipvs.GET_CONFIG, b""
    for values in ((1, 2, 3), (0, 0, 0), (0, 77, 0), (900, 120, 300)):
        kinds = (ipvs.TIMEOUT_TCP, ipvs.TIMEOUT_TCP_FIN, ipvs.TIMEOUT_UDP)
        yield f"timeouts {values}", ipvs.SET_CONFIG, b"".join(map(u32, kinds, values))
        yield f"the first of {values}", ipvs.SET_CONFIG, u32(kinds[0], values[0])
    yield "no timeouts", ipvs.SET_CONFIG, b""
    yield "a timeout beyond all bounds", ipvs.SET_CONFIG, u32(ipvs.TIMEOUT_TCP, 0xFFFFFFFF)
    yield "zero", ipvs.ZERO, b""
    yield "flush", ipvs.FLUSH, b""
    for command in (0, ipvs.SET_INFO, 18, 100, 255):
        yield f"command {command}", command, b""
    for command in (ipvs.GET_DEST, ipvs.GET_DAEMON):
        yield f"command {command}, not as a dump", command, service(ID)


def dumps():
    """Cases of lists."""
    yield "services", ipvs.GET_SERVICE, b""
    yield "destinations", ipvs.GET_DEST, service(ID)
    yield "of a service that is not marked", ipvs.GET_DEST, plain(SERVICE, ID)
    yield "of a service with all attributes", ipvs.GET_DEST, service(whole_service(TCP4))
    yield "of no service", ipvs.GET_DEST, service(identity(TCP4, 99))
    yield "of none that is named", ipvs.GET_DEST, b""
    yield "of a service without a port", ipvs.GET_DEST, service(without(ID, S_PORT))
    yield "of a family that there is not", ipvs.GET_DEST, service(ID | {S_AF: u16(S_AF, 99)})
    yield "daemons", ipvs.GET_DAEMON, b""
    for command in (ipvs.NEW_SERVICE, ipvs.GET_INFO, ipvs.GET_CONFIG, ipvs.FLUSH, ipvs.ZERO):
        yield f"command {command} as a dump", command, b""


GROUPS = {"services": (services, False), "destinations": (destinations, False),
          "the rest": (the_rest, False), "dumps": (dumps, True)}


def prepare(family):
    """As it is before each message."""
    family.flush()
    for flow, flags in ((TCP4, 0), (TCP6, 0), (UDP4, ipvs.PERSISTENT)):
        family.must(ipvs.NEW_SERVICE, service(whole_service(flow, flags=flags, timeout=100)))
        family.must(ipvs.NEW_DEST, service(identity(flow)) + dest(whole_dest(flow)))


def shape(reply):
    """Which attributes a reply has, and how long they are; also of those within them."""
    def of(payload, nests):
        return {kind: of(inner, nests.get(kind, {})) if kind in nests else len(inner)
                for kind, inner in sorted(ipvs.parse(payload).items())}
    counters = {S_STATS: {}, S_STATS64: {}}
    nests = {SERVICE: counters, ipvs.DEST: {ipvs.D_STATS: {}, ipvs.D_STATS64: {}}}
    return {kind: of(payload, nests[kind]) if kind in nests else len(payload)
            for kind, payload in sorted(reply.items())}


def stable(listing):
    """Without the counters, which have their own tests, and without a timeout and a mask that mean
    nothing, as the service is not persistent: rlvs does not keep them."""
    found = []
    for one in listing:
        kept = {kind: value for kind, value in one.items() if kind not in (S_STATS, S_STATS64)}
        if not struct.unpack_from("=I", one[S_FLAGS])[0] & ipvs.PERSISTENT:
            del kept[S_TIMEOUT], kept[S_NETMASK]
        kept["destinations"] = [{kind: value for kind, value in target.items()
                                 if kind not in (ipvs.D_STATS, ipvs.D_STATS64)}
                                for target in kept["destinations"]]
        found.append(kept)
    return found


def play(lab, group):
    """What comes of each case, by its name."""
    cases, dump = GROUPS[group]
    family, found = Ipvs(lab.lb), {}
    for name, command, attributes in cases():
        prepare(family)
        outcome = family.request(command, attributes, dump)
        number = errno_of(outcome)
        replies = [] if number else sorted(map(str, map(shape, outcome)))
        check(name not in found, f"two cases are called {name}")
        found[name] = (errno.errorcode.get(number, number), replies, stable(family.services()),
                       family.must(ipvs.GET_CONFIG))
    family.flush()
    family.must(ipvs.SET_CONFIG, u32(ipvs.TIMEOUT_TCP, 900) + u32(ipvs.TIMEOUT_TCP_FIN, 120)
                + u32(ipvs.TIMEOUT_UDP, 300))
    return found


_of_ip_vs = {}


def of_ip_vs(lab):
    """What ip_vs makes of all cases."""
    if not _of_ip_vs:
        load_ip_vs("rr", "wlc")
        try:
            for group in GROUPS:
                _of_ip_vs[group] = play(lab, group)
        finally:
            unload_ip_vs(lab)
            kernel.insert()
    return _of_ip_vs


@each(GROUPS)
def test_the_same(lab, group):
    wanted, got = of_ip_vs(lab)[group], play(lab, group)
    differ = []
    for name, theirs in wanted.items():
        for what, ours, their in zip(("errno", "reply", "services", "timeouts"), got[name],
                                     theirs, strict=True):
            if ours != their:
                differ.append(f"{name}: {what}: got {ours}, ip_vs has {their}")
    check(not differ, f"{len(differ)} of {len(wanted)} cases differ:\n" + "\n".join(differ))
    kinds = {theirs[0] for theirs in wanted.values()}
    check(len(kinds) > 1, f"all cases end in {kinds}")
    print(f"    # {len(wanted)} cases")


def refused(lab, family, command, attributes, *errnos):
    """The request has to be refused with one of these errnos and a text, and change nothing."""
    before = lab.services()
    outcome = family.request(command, attributes)
    name = errno.errorcode.get(errno_of(outcome))
    check(errno_of(outcome) in errnos, f"errno {name}: {outcome}")
    check(outcome.text, f"refused without a text: {outcome}")
    equal(lab.services(), before, "services afterwards")
    return outcome.text


def mark(flow, number=7):
    """All attributes of a service of marked packets."""
    return without(whole_service(flow), S_PROTOCOL, S_ADDR, S_PORT) | {
        ipvs.S_FWMARK: u32(ipvs.S_FWMARK, number)}


@each(FAMILIES)
def test_what_is_not_there_yet(lab, flow):
    """ip_vs grants it, rlvs says that it cannot: what each of them is, in its text."""
    family = Ipvs(lab.lb)
    prepare(family)
    far = "203.0.113.9" if flow.version == 4 else "2001:db8:9::9"
    own = service(identity(flow))
    cannot = (errno.EOPNOTSUPP,)
    texts = [
        refused(lab, family, ipvs.NEW_SERVICE, service(mark(flow)), *cannot),
        refused(lab, family, ipvs.NEW_SERVICE, service(whole_service(flow, 81),
                                                       string(S_PE, "sip")), *cannot),
        refused(lab, family, ipvs.NEW_SERVICE, service(whole_service(flow, 81, "none")), *cannot),
        refused(lab, family, ipvs.NEW_DEST, own + dest(whole_dest(flow, 8002, far)), *cannot),
        refused(lab, family, ipvs.NEW_DAEMON,
                ipvs.nest(ipvs.DAEMON, u32(1, 1), string(2, "lo"), u32(3, 1)), *cannot),
    ]
    for method in (ipvs.TUNNEL, ipvs.ROUTE):
        target = dest(whole_dest(flow, 80, method=method))
        texts.append(refused(lab, family, ipvs.NEW_DEST, own + target, *cannot))
    check(len(set(texts)) >= 6, f"the texts do not tell what it is about: {texts}")
    refused(lab, family, ipvs.DEL_DAEMON, ipvs.nest(ipvs.DAEMON, u32(1, 1)), *cannot)
    target = dest(whole_dest(flow, method=ipvs.ROUTE))
    refused(lab, family, ipvs.SET_DEST, own + target, *cannot)


@each(FAMILIES)
def test_what_rlvs_does_not_allow(lab, flow):
    """A service of any port, a destination that is the service, a weight that does not fit."""
    family = Ipvs(lab.lb)
    prepare(family)
    own = service(identity(flow))
    odd = (errno.EINVAL, errno.EOPNOTSUPP, errno.ERANGE, errno.ELOOP)
    refused(lab, family, ipvs.NEW_SERVICE, service(whole_service(flow, 0)), *odd)
    refused(lab, family, ipvs.NEW_DEST, own + dest(whole_dest(flow, 80)), *odd)
    refused(lab, family, ipvs.NEW_DEST, own + dest(whole_dest(flow, 8002, weight=65536)), *odd)


def test_texts(lab):
    """What ip_vs tells by an errno only."""
    family = Ipvs(lab.lb)
    prepare(family)
    for command, attributes, number in (
            (ipvs.NEW_SERVICE, service(whole_service(TCP4, 81, "nosuch")), errno.ENOENT),
            (ipvs.NEW_SERVICE, service(whole_service(TCP4)), errno.EEXIST),
            (ipvs.SET_SERVICE, service(NEW), errno.ESRCH),
            (ipvs.NEW_SERVICE, service(without(NEW, S_SCHED)), errno.EINVAL),
            (ipvs.NEW_DEST, service(ID) + dest(KNOWN), errno.EEXIST),
            (ipvs.DEL_DEST, service(ID) + dest(TARGET), errno.ENOENT),
            (ipvs.NEW_DEST, service(ID) + dest(whole_dest(TCP4, 8002, upper=1, lower=2)),
             errno.ERANGE)):
        refused(lab, family, command, attributes, number)


def test_information(lab):
    family = Ipvs(lab.lb)
    reply = family.must(ipvs.GET_INFO)[0]
    equal(struct.unpack("=I", reply[ipvs.VERSION])[0], 0x010201, "the version")
    size = struct.unpack("=I", reply[ipvs.TABLE_SIZE])[0]
    check(size > 0, "a table of no size")
    line = lab.lb.read("/proc/thread-self/net/ip_vs").splitlines()[0]
    equal(line, f"IP Virtual Server version 1.2.1 (size={size})",
          "the first line of /proc/net/ip_vs")


def test_only_for_administrators(lab):
    family = Ipvs(lab.lb)
    prepare(family)
    for command, dump in ((ipvs.GET_INFO, False), (ipvs.GET_SERVICE, True), (ipvs.FLUSH, False)):
        os.seteuid(65534)
        try:
            outcome = family.request(command, dump=dump)
        finally:
            os.seteuid(0)
        check(isinstance(outcome, Error) and outcome.errno == errno.EPERM,
              f"command {command}: {outcome}")
    equal(len(family.services()), 3, "services afterwards")


@each(FAMILIES)
def test_what_one_family_sets_the_other_shows(lab, flow):
    family = Ipvs(lab.lb)
    name = flow.service(80)
    lab.rlvs(f"service add {name} --scheduler wrr --persistent 100")
    lab.rlvs(f"dest add {name} :8001 --weight 7 --method nat")
    found = family.services()[0]
    equal(found[S_SCHED], b"wrr\0", "the scheduler")
    equal(struct.unpack("=I", found[S_TIMEOUT])[0], 100, "the timeout")
    target = found["destinations"][0]
    equal(struct.unpack("=I", target[D_WEIGHT])[0], 7, "the weight")
    equal(struct.unpack("=I", target[D_FWD])[0], MASQ, "the forwarding method")
    own = service(identity(flow))
    family.must(ipvs.SET_DEST, own + dest(whole_dest(flow, weight=3, upper=10, lower=5)))
    family.must(ipvs.NEW_DEST, own + dest(whole_dest(flow, 8002)))
    family.must(ipvs.SET_SERVICE, service(whole_service(flow, scheduler="lc")))
    entry = lab.find(name)
    equal(entry["scheduler"], "lc", "the scheduler")
    check("persistent" not in entry, f"the service is still persistent: {entry}")
    one = lab.destinations(name)
    equal(set(one), {8001, 8002}, "destinations")
    equal([one[8001][key] for key in ("weight", "max_connections", "min_connections")],
          [3, 10, 5], "what was set of the first")
    lab.rlvs(f"dest del {name} :8001")
    equal([d[D_PORT] for d in family.services()[0]["destinations"]], [struct.pack("!H", 8002)],
          "ports that are left")
    family.must(ipvs.DEL_SERVICE, own)
    equal(lab.services(), [], "services")


@each(FAMILIES)
def test_an_edit_keeps_what_the_family_cannot_say(lab, flow):
    """keepalived sets a weight, and knows nothing of steering, private ports or timeouts."""
    family = Ipvs(lab.lb)
    name = flow.service(80)
    lab.rlvs(f"service add {name} --scheduler rr --slow-start 30 --timeout-tcp 77 --timeout-udp 66")
    lab.rlvs(f"dest add {name} :8001 --method steer --private")
    lab.rlvs(f"dest add {name} :8002 --method auto")
    before = lab.services()[0]
    own = service(identity(flow))
    family.must(ipvs.SET_DEST, own + dest(whole_dest(flow, 8001, weight=9)))
    family.must(ipvs.SET_SERVICE, service(whole_service(flow, scheduler="wlc")))
    after = lab.services()[0]
    equal((after["scheduler"], after["destinations"][0]["weight"]), ("wlc", 9), "what was set")
    after["scheduler"], after["destinations"][0]["weight"] = "rr", 1
    equal(after, before, "the rest")
