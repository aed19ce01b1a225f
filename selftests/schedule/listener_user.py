# SPDX-License-Identifier: GPL-2.0
"""With a destination's user set, a port that another user's process bound gets no connections."""

import os

from lib.clients import refusal, served_by, talk
from lib.ktap import check, each, equal
from lib.lab import FLOWS, SCTP4, TCP, TCP4

WORKER, OTHER = 1234, 65534


def listen(lab, flow, port, user, address=None):
    """A server whose socket is a user's."""
    lab.servers.listen(flow, [port], address=address)
    key = (flow.protocol, address or flow.vip, port)
    os.fchown(lab.servers.bound[key].fileno(), user, -1)


def listening(lab, service):
    """Whether a process that is meant listens, by port."""
    return {port: d["listening"] for port, d in lab.destinations(service).items()}


def methods(lab, flow):
    """Services of the methods that there are for a protocol."""
    return (lab.balance, lab.steer) if flow.protocol == "tcp" else (lab.balance,)


@each(FLOWS)
def test_only_the_users_socket_is_taken(lab, flow):
    """By whichever method, for remote and for local clients; without a user any user's is."""
    listen(lab, flow, 8001, OTHER)
    listen(lab, flow, 8002, WORKER)
    for make in methods(lab, flow):
        service = make(flow, ports="8001-8002")
        for where in (lab.client, lab.lb):
            equal(served_by(where, flow, 2), {8001: 1, 8002: 1}, "who serves without a user")
        lab.rlvs(f"dest edit {service} :8001-8002 --user {WORKER}")
        for where in (lab.client, lab.lb):
            equal(served_by(where, flow, 4), {8002: 4}, "who serves")
        equal(listening(lab, service), {8001: False, 8002: True}, "listening")
        equal({d["user"] for d in lab.destinations(service).values()}, {WORKER}, "the users")
        check(f",user={WORKER}" in lab.rlvs(f"list {service}"), "the list does not show it")
        lab.rlvs(f"dest edit {service} :8001-8002 --any-user")
        equal(served_by(lab.client, flow, 2), {8001: 1, 8002: 1}, "who serves without it again")
        check(all("user" not in d for d in lab.destinations(service).values()), "users are told")
        lab.rlvs(f"service del {service} --now")


@each(FLOWS)
def test_the_port_is_taken_while_the_worker_is_away(lab, flow):
    """The client is refused, as if nothing listened; what there is goes on."""
    listen(lab, flow, 8001, WORKER)
    for make in methods(lab, flow):
        service = make(flow, ports="8001")
        lab.rlvs(f"dest edit {service} :8001 --user {WORKER}")
        with talk(lab.client, flow) as before:
            lab.servers.stop(flow, 8001)
            listen(lab, flow, 8001, OTHER)
            for where in (lab.client, lab.lb):
                equal(refusal(where, flow), "refused", "a new client")
            if flow.protocol == "tcp":
                before.say(b"still there")
            lab.servers.stop(flow, 8001)
            listen(lab, flow, 8001, WORKER)
            equal(served_by(lab.client, flow, 2), {8001: 2}, "who serves when it is back")
        lab.rlvs(f"service del {service} --now")


@each(TCP)
def test_with_cookies(lab, flow):
    """The segment that returns a cookie goes to no other user's socket either."""
    lab.lb.sysctl("net.ipv4.tcp_syncookies", 2)
    try:
        listen(lab, flow, 8001, OTHER)
        listen(lab, flow, 8002, WORKER)
        service = lab.steer(flow, ports="8001-8002")
        served_by(lab.client, flow, 4)  # both have sent cookies
        lab.rlvs(f"dest edit {service} :8001-8002 --user {WORKER}")
        equal(served_by(lab.client, flow, 8), {8002: 8}, "who serves")
    finally:
        lab.lb.sysctl("net.ipv4.tcp_syncookies", 1)


def test_a_persistent_client_goes_elsewhere(lab):
    """Its home is in other hands."""
    for port in (8001, 8002):
        listen(lab, TCP4, port, WORKER)
    service = lab.balance(TCP4, ports="8001-8002")
    lab.rlvs(f"service edit {service} --persistent 100")
    lab.rlvs(f"dest edit {service} :8001-8002 --user {WORKER}")
    (home,) = served_by(lab.client, TCP4, 2)
    lab.servers.stop(TCP4, home)
    listen(lab, TCP4, home, OTHER)
    check(home not in served_by(lab.client, TCP4, 2), "it was led to another user's process")


def test_what_is_refused(lab):
    """SCTP, whose sockets are not asked, and a number that the namespace's owner does not know."""
    lab.rlvs(f"service add {SCTP4.service(80)}")
    text = lab.refused(f"dest add {SCTP4.service(80)} :8001 --user 5")
    check("tcp and udp only" in text and "--user" in text, text)
    lines = ("rlvs service add tcp://127.0.0.1:80 && rlvs dest add tcp://127.0.0.1:80 :8001 "
             "--method steer --user {} && rlvs list")
    own = lab.lb.run("unshare", "-Urn", "sh", "-c", lines.format("root"))
    check(own.returncode == 0 and ",user=0" in own.stdout, f"{own.stdout} {own.stderr}")
    strange = lab.lb.run("unshare", "-Urn", "sh", "-c", lines.format(5))
    check(strange.returncode == 1 and "no such user" in strange.stderr, strange.stderr)
