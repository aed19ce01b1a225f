# SPDX-License-Identifier: GPL-2.0
"""Netlink messages that the tool would not send get errno, text and the attribute at fault."""

import errno
import struct

from lib import genl, kernel
from lib.genl import N, Error, Genl, attr, destination, nest, service
from lib.ktap import check, equal
from lib.lab import FLOWS, TCP4, TCP6

ADD, GET = N["RLVS_CMD_SERVICE_ADD"], N["RLVS_CMD_SERVICE_GET"]
DEST_ADD, DEST_SET = N["RLVS_CMD_DESTINATION_ADD"], N["RLVS_CMD_DESTINATION_SET"]
PROTOCOL, ADDRESS, PORT, FLAGS, TABLE_SIZE = (
    N["RLVS_A_SERVICE_" + name] for name in ("PROTOCOL", "ADDRESS", "PORT", "FLAGS", "TABLE_SIZE"))


def refused(lab, connection, command, attributes, *errnos):
    """The request has to be refused with one of these errnos, and change nothing."""
    before = lab.services()
    outcome = connection.request(command, attributes)
    check(isinstance(outcome, Error), f"command {command} was granted")
    names = [errno.errorcode.get(number) for number in (outcome.errno, *errnos)]
    check(outcome.errno in errnos, f"errno {names[0]}, wanted {names[1:]}: {outcome}")
    equal(lab.services(), before, "services afterwards")
    return outcome


def points_at(connection, command, attributes, outcome, kind):
    """The error's offset is that of the attribute of this kind in the message."""
    message = connection.message(command, attributes)
    check(outcome.offset, f"the error points at no attribute: {outcome}")
    found = struct.unpack_from("=HH", message, outcome.offset)[1] & 0x3FFF
    equal(found, kind, f"the attribute that the error points at ({outcome})")


def test_errnos_and_texts_of_services(lab):
    connection = Genl(lab.lb)
    texts = set()
    for flow in FLOWS:
        bad = (
            (service(flow, 80, scheduler="nosuch"), N["RLVS_A_SERVICE_SCHEDULER"],
             (errno.ENOPKG, errno.ENOENT)),
            (service(flow, 0), PORT, (errno.EINVAL,)),
            (attr(PROTOCOL, b"\x2f") + service(flow, 80)[8:], PROTOCOL, (errno.EPROTONOSUPPORT,)),
            (attr(PROTOCOL, b"\x06") + attr(ADDRESS, b"12345") + attr(PORT, b"\0\x50"), ADDRESS,
             (errno.EINVAL, errno.EAFNOSUPPORT)),
            (service(flow, 80, "224.0.0.1" if flow.version == 4 else "ff02::1"), ADDRESS,
             (errno.EINVAL,)),
            (service(flow, 80) + attr(FLAGS, struct.pack("=I", 0x10)), FLAGS, (errno.EINVAL,)),
            (service(flow, 80) + attr(FLAGS, struct.pack("=I", 1 << 31)), FLAGS,
             (errno.EOPNOTSUPP,)),
            (service(flow, 80, scheduler="mh") + attr(TABLE_SIZE, struct.pack("=I", 4092)),
             TABLE_SIZE, (errno.ERANGE,)),
            (service(flow, 80, scheduler="sh") + attr(TABLE_SIZE, struct.pack("=I", 4093)),
             TABLE_SIZE, (errno.EINVAL,)),
        )
        for attributes, kind, errnos in bad:
            outcome = refused(lab, connection, ADD, attributes, *errnos)
            check(outcome.text, f"no text: {outcome}")
            texts.add(outcome.text)
            points_at(connection, ADD, attributes, outcome, kind)
    equal(len(texts), 9, f"different texts of nine reasons: {texts}")


def test_errnos_of_destinations(lab):
    connection = Genl(lab.lb)
    for flow in FLOWS:
        lab.balance(flow, ports="8001")
        own = service(flow, 80)
        other = TCP6.vip if flow.version == 4 else TCP4.vip
        for attributes, number in (
                (destination(own, 0), errno.EINVAL),
                (destination(own, 8004, 8002), errno.EINVAL),
                (destination(own, 8002, weight=65536), errno.ERANGE),
                (destination(own, 8002, address=other), errno.EAFNOSUPPORT),
                (destination(own, 8001), errno.EEXIST),
                (destination(own, 80), errno.ELOOP),
                (destination(service(flow, 81), 8002), errno.ESRCH)):
            outcome = refused(lab, connection, DEST_ADD, attributes, number)
            check(outcome.text, f"no text: {outcome}")
        outcome = refused(lab, connection, DEST_ADD, destination(own, 8002, method=77),
                          errno.EOPNOTSUPP, errno.EINVAL, errno.ERANGE)
        for command, port in ((DEST_ADD, 8002), (DEST_SET, 8001)):
            wrong = destination(own, port, private=2)
            outcome = refused(lab, connection, command, wrong, errno.ERANGE)
            points_at(connection, command, wrong, outcome, N["RLVS_A_DESTINATION_PRIVATE"])
        loopback = destination(own, 8002, address=flow.loopback)
        refused(lab, connection, DEST_ADD, loopback, errno.EHOSTUNREACH)


def test_errnos_of_one_packet_scheduling(lab):
    """Each with the attribute that is to be changed."""
    connection = Genl(lab.lb)
    ops = attr(FLAGS, struct.pack("=I", N["RLVS_SERVICE_FLAG_OPS"]))
    set_service = N["RLVS_CMD_SERVICE_SET"]
    port, address = N["RLVS_A_DESTINATION_PORT"], N["RLVS_A_DESTINATION_ADDRESS"]
    for flow in FLOWS:
        if flow.protocol != "udp":
            lab.balance(flow, ports="8001")
            bad = ((ADD, service(flow, 81) + ops, FLAGS, errno.EINVAL),
                   (set_service, service(flow, 80) + ops, FLAGS, errno.EINVAL))
        else:
            own, other, anywhere = (service(flow, 80), service(flow, 81),
                                    service(flow, 80, flow.any))
            connection.must(ADD, own + ops)
            connection.must(DEST_ADD, destination(own, 8001))
            connection.must(ADD, other)
            connection.must(DEST_ADD, destination(other, 8002))
            connection.must(ADD, anywhere + ops)
            bad = ((DEST_ADD, destination(other, 8001), port, errno.EADDRINUSE),
                   (DEST_ADD, destination(own, 8002), port, errno.EADDRINUSE),
                   (DEST_ADD, destination(anywhere, 8003, address=flow.vip), address,
                    errno.EINVAL))
        for command, attributes, kind, number in bad:
            outcome = refused(lab, connection, command, attributes, number)
            check(outcome.text, f"no text: {outcome}")
            points_at(connection, command, attributes, outcome, kind)
        if flow.protocol == "udp":
            connection.must(set_service, own + attr(FLAGS, bytes(4)))
            connection.must(DEST_ADD, destination(other, 8001))
            outcome = refused(lab, connection, set_service, own + ops, errno.EADDRINUSE)
            points_at(connection, set_service, own + ops, outcome, FLAGS)


def test_missing_attributes_are_named(lab):
    connection = Genl(lab.lb)
    lab.balance(TCP4, ports="8001")
    whole = [attr(PROTOCOL, b"\x06"), attr(ADDRESS, genl.octets(TCP4.vip)), attr(PORT, b"\0\x50")]
    for left_out, kind in enumerate((PROTOCOL, ADDRESS, PORT)):
        attributes = b"".join(a for number, a in enumerate(whole) if number != left_out)
        outcome = refused(lab, connection, ADD, attributes, errno.EINVAL)
        equal(outcome.missing, kind, "the attribute that the error says is missing")
    outcome = refused(lab, connection, DEST_ADD,
                      attr(N["RLVS_A_DESTINATION_PORT"], b"\x1f\x41"), errno.EINVAL)
    equal(outcome.missing, N["RLVS_A_DESTINATION_SERVICE"], "the missing attribute")


def test_malformed_messages(lab):
    connection = Genl(lab.lb)
    lab.balance(TCP4, ports="8001")
    good = service(TCP4, 81)
    log = kernel.Log()
    invalid = (errno.EINVAL, errno.ERANGE, errno.EOPNOTSUPP)
    for attributes in (
            good + struct.pack("=HH", 200, 99),  # longer than the message
            good + struct.pack("=HH", 2, 1),  # shorter than its own header
            good + attr(99, b"unknown"),
            attr(PROTOCOL, b"") + good[8:],
            attr(PROTOCOL, b"\x06\0\0\0\0\0\0\0") + good[8:],
            attr(ADDRESS, b"x" * 200) + good,
            attr(ADDRESS, b"x" * 60_000),
            good + attr(N["RLVS_A_SERVICE_SCHEDULER"], b"s" * 16 + b"\0"),
            good + attr(N["RLVS_A_SERVICE_SCHEDULER"], b"rr" * 500 + b"\0"),
            nest(N["RLVS_A_SERVICE_STATS"], attr(1, b"12345678")) + good):
        refused(lab, connection, ADD, attributes, *invalid)
    port = attr(N["RLVS_A_DESTINATION_PORT"], b"\x1f\x42")
    for inner in (b"", b"\xff" * 3, b"\xff" * 40, good[:-4], attr(1, good) * 50):
        refused(lab, connection, DEST_ADD,
                attr(N["RLVS_A_DESTINATION_SERVICE"] | genl.NLA_F_NESTED, inner) + port, *invalid)
    # In replies only; and what is an event is no request.
    for kind, value in (("IN_FLIGHT", bytes(4)), ("DRAINED", b"")):
        reply_only = destination(good, 8002) + attr(N["RLVS_A_DESTINATION_" + kind], value)
        refused(lab, connection, DEST_ADD, reply_only, *invalid)
    refused(lab, connection, N["RLVS_CMD_EVENT"], b"", errno.EOPNOTSUPP)
    refused(lab, connection, 200, b"", errno.EOPNOTSUPP, errno.EINVAL)
    for _ in range(200):
        connection.request(ADD, b"\xff" * 7)
    # The kernel's own complaint about trailing bytes is rate-limited and not ours.
    equal([line for line in log.lines() if "rlvs" in line and "netlink:" not in line], [],
          "lines in the kernel log")


def test_a_truncated_header_is_survived(lab):
    connection = Genl(lab.lb)
    whole = connection.message(ADD, service(TCP4, 80), genl.NLM_F_ACK)
    for size in range(0, len(whole), 3):
        try:
            connection.sock.send(whole[:size])
        except OSError:
            pass  # the kernel's netlink core refuses some lengths itself
    connection.drain()
    equal(lab.services(), [], "services")
    connection.must(ADD, service(TCP4, 80))
    equal(len(connection.must(GET, dump=True)), 1, "services in a dump")
