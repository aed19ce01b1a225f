# SPDX-License-Identifier: GPL-2.0
"""With --persistent a client's connections go where its last one went."""

import concurrent.futures
import json
import time

from lib.clients import refusal, served_by, talk
from lib.flood import CHUNK, Flood
from lib.ktap import check, each, equal, fewer, in_time, is_debug_kernel, seconds, wait_until
from lib.lab import FLOWS, TCP, TCP4, UDP6

CONN_MAX, CONN_MAX_DEFAULT = "net.ipv4.vs.conn_max", 4194304
QUIESCENT = "net.ipv4.vs.expire_quiescent_template"


def templates(lab):
    """What the tool shows of the templates."""
    return json.loads(lab.rlvs("templates --json"))["templates"]


def persistent(lab, flow, options="--persistent 100", ports="8001-8004"):
    """A service whose scheduler never chooses the same destination twice."""
    # Those of an earlier service go within a second.
    wait_until(lambda: lab.counter("templates") == 0, "no template is left")
    first, _, last = ports.partition("-")
    lab.servers.listen(flow, range(int(first), int(last or first) + 1))
    lab.rlvs(f"service add {flow.service(80)} --scheduler rr {options}")
    lab.rlvs(f"dest add {flow.service(80)} :{ports} --method nat")
    return flow.service(80)


def port_of(where, flow, **options):
    """The server that a connection gets, which ends at once and leaves no open entry."""
    with talk(where, flow, **options) as conversation:
        conversation.close(reset=flow.protocol == "tcp")
        return conversation.port


@each(FLOWS)
def test_a_client_stays(lab, flow):
    """With all its connections, and another one elsewhere; remote clients and the host itself."""
    service = persistent(lab, flow)
    clients = ((lab.client, flow.client), (lab.client, flow.client2), (lab.lb, flow.vip))
    met = [served_by(where, flow, 5, source=source) for where, source in clients]
    equal([list(ports.values()) for ports in met], [[5]] * 3, "connections by server")
    equal(len({port for ports in met for port in ports}), 3, "servers")
    found = templates(lab)
    equal({t["client_address"] for t in found}, {source for _, source in clients},
          "clients with a template")
    for template in found:
        equal((template["service_address"], template["service_port"],
               template["destination_address"]), (flow.vip, 80, flow.vip), "the template's ends")
        check(100 - seconds(10) < template["expires"] <= 100,
              f"expires in {template['expires']} s")
    equal(lab.counter("templates"), 3, "the counter")
    equal(sorted(d["templates"] for d in lab.destinations(service).values()), [0, 1, 1, 1],
          "templates of the destinations")
    # Another service has templates of its own.
    lab.balance(flow, ports="8004", port=81)
    equal(port_of(lab.client, flow, port=81), 8004, "the server of another service")


@each(TCP)
def test_a_network_stays(lab, flow):
    """Clients with the same leading bits are one."""
    bits = "--netmask 255.255.255.0" if flow.version == 4 else "--prefix 64"
    service = persistent(lab, flow, f"--persistent 100 {bits}")
    ports = {port_of(lab.client, flow, source=source)
             for source in (flow.client, flow.client2) * 2}
    equal(len(ports), 1, "servers of the network")
    network = "192.0.2.0" if flow.version == 4 else "2001:db8::"
    equal([(t["client_address"], t["client_prefix"]) for t in templates(lab)],
          [(network, 24 if flow.version == 4 else 64)], "the template")
    # The two differ in the last bit.
    bits = 32 if flow.version == 4 else 128
    for prefix, alone in ((bits - 1, False), (bits, True)):
        lab.rlvs(f"service edit {service} --prefix {prefix}")
        for source in (flow.client, flow.client2):
            port_of(lab.client, flow, source=source)
        equal(flow.client2 in [t["client_address"] for t in templates(lab)], alone,
              f"whether the second client has a template with {prefix} bits")


@each(TCP)
def test_the_first_connections_at_once(lab, flow):
    """Which CPU ever is the first to make the template: they all go to one server."""
    persistent(lab, flow)
    for _ in range(2):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            held = list(pool.map(lambda _: talk(lab.client, flow), range(8)))
        equal(len({conversation.port for conversation in held}), 1, "servers")
        equal(len(templates(lab)), 1, "templates")
        equal(templates(lab)[0]["connections"], 8, "connections of the template")
        for conversation in held:
            conversation.close(reset=True)
        lab.director().flush_now()
        wait_until(lambda: not templates(lab), "the templates go with the service")
        lab.servers.close_all()
        persistent(lab, flow)


@each(TCP)
def test_the_time_counts_from_the_last_connection(lab, flow):
    """Entries that wait for late packets do not lengthen it: they last two minutes."""
    span = fewer(5, 8)
    persistent(lab, flow, f"--persistent {span}")
    begun = time.monotonic()
    with talk(lab.client, flow) as conversation:
        first = conversation.port
    for _ in range(2):
        time.sleep(span / 2 + 0.5)
        before, begun = begun, time.monotonic()
        served = served_by(lab.client, flow, 1)
        # Of whole seconds the last may be short.
        in_time(time.monotonic() - before < span - 1, "the next connection came late")
        equal(served, {first: 1}, "the server within the time")
    wait_until(lambda: not templates(lab), "the template is over", limit=2 * span)
    took = time.monotonic() - begun
    slack = 6 if is_debug_kernel() else 3
    in_time(span - 1.1 < took < span + slack, f"it was over after {took:.1f} s, wanted {span} s")
    check(lab.conns(), "no entry is left that waits for late packets")
    check(served_by(lab.client, flow, 1) != {first: 1}, "the scheduler was not asked again")


@each([TCP4, UDP6])
def test_an_open_connection_holds_the_template(lab, flow):
    span = 2
    service = persistent(lab, flow, f"--persistent {span}")
    lab.rlvs(f"service edit {service} --timeout-udp {10 * span}")
    with talk(lab.client, flow) as held:
        begun = time.monotonic()
        while time.monotonic() - begun < 3 * span:
            time.sleep(0.5)
            equal(len(templates(lab)), 1, "templates while a connection is open")
        equal(port_of(lab.client, flow), held.port, "the server")
        port = held.port
        held.close(reset=flow.protocol == "tcp")
    wait_until(lambda: not templates(lab), "the template is over", limit=15 * span)
    check(port_of(lab.client, flow) != port, "the scheduler was not asked again")


@each(TCP)
def test_a_quiesced_destination_keeps_its_clients(lab, flow):
    """Unless expire_quiescent_template says otherwise. A deleted one does not."""
    service = persistent(lab, flow)
    first = port_of(lab.client, flow)
    lab.rlvs(f"dest edit {service} :{first} --weight 0")
    equal(port_of(lab.client, flow), first, "the server, quiesced")
    lab.lb.sysctl(QUIESCENT, 1)
    try:
        second = port_of(lab.client, flow)
        check(second != first, "the template leads to a quiesced destination")
        equal(port_of(lab.client, flow), second, "the server of the new template")
    finally:
        lab.lb.sysctl(QUIESCENT, 0)
    lab.rlvs(f"dest del {service} :{second}")
    third = port_of(lab.client, flow)
    check(third not in (first, second), f"port {third} after {first} and {second}")
    equal(len(templates(lab)), 1, "templates")
    lab.rlvs(f"service del {service}")
    equal(refusal(lab.client, flow), "refused", "without the service")
    wait_until(lambda: lab.counter("templates") == 0, "the templates go with the service")


@each(TCP)
def test_the_bound_on_connections_is_not_for_templates(lab, flow):
    """As in IPVS: a full destination gets no new clients, but its clients' connections."""
    service = persistent(lab, flow, ports="8001-8002")
    lab.rlvs(f"dest edit {service} :8001-8002 --max-connections 1")
    held = [talk(lab.client, flow, source=flow.client) for _ in range(3)]
    equal(len({conversation.port for conversation in held}), 1, "servers")
    held.append(talk(lab.client, flow, source=flow.client2))
    check(held[3].port != held[0].port, "another client goes to the full destination")
    check(refusal(lab.lb, flow) != "served", "a third client was served")
    for conversation in held:
        conversation.close()


@each(TCP)
def test_a_flood_s_templates_go_with_its_entries(lab, flow):
    """They count for conn_max, and none is left when the half-open entries are over."""
    persistent(lab, flow, "--persistent 10000")
    most = 2 * CHUNK
    with talk(lab.client, flow) as held:
        lab.lb.sysctl(CONN_MAX, most)
        try:
            flood = Flood(lab, flow, 80)
            largest = 0
            for _ in range(4):
                flood.renew()
                flood.send()
                largest = max(largest, lab.counter("templates") + lab.counter("entries"))
            check(most * 3 // 4 < largest <= most + 16,
                  f"{largest} templates and entries, allowed are {most}")
            lab.lb.sysctl(CONN_MAX, 4)  # half-open entries are over at once
            wait_until(lambda: lab.counter("templates") == 1,
                       lambda: f"one template is left of {lab.counter('templates')}", limit=60)
        finally:
            lab.lb.sysctl(CONN_MAX, CONN_MAX_DEFAULT)
        held.bulk(50_000)
        equal(port_of(lab.client, flow), held.port, "the server after the flood")


def test_settings_are_shown_and_changed(lab):
    service = persistent(lab, TCP4, "--persistent 300 --netmask 255.255.0.0")

    def shown():
        found = json.loads(lab.rlvs(f"list {service} --json"))["services"][0]
        return found.get("persistent"), found.get("persistent_prefix")

    equal(shown(), (300, 16), "what was set")
    check("persistent=300s/16" in lab.rlvs("list"), "the listing does not show it")
    port_of(lab.client, TCP4)
    check("192.0.0.0/16" in lab.rlvs("templates"), "the listing of templates does not show it")
    lab.rlvs(f"service edit {service} --persistent 5000")
    left = templates(lab)[0]["expires"]
    check(5000 - seconds(10) < left <= 5000, f"a change is not for what there is: {left} s")
    lab.rlvs(f"service edit {service} --scheduler wlc")
    equal(shown(), (5000, 16), "after another scheduler")
    lab.rlvs(f"service edit {service} --persistent 0")
    equal(shown(), (None, None), "after it was taken back")
    wait_until(lambda: not templates(lab), "the templates go with the setting")
    lab.rlvs(f"service edit {service} --persistent 60")
    equal(shown(), (60, 32), "the prefix is forgotten as well")


def test_what_is_wrong_is_refused(lab):
    service = persistent(lab, TCP4, "")
    for line, expected in ((f"service edit {service} --persistent 2147483648", "2147483647"),
                           (f"service edit {service} --persistent 9 --prefix 33", "1 to 32"),
                           (f"service edit {service} --persistent 9 --prefix 0", "1 to 32"),
                           (f"service edit {service} --persistent 9 --netmask 0.0.0.0", "1 to 32"),
                           (f"service edit {service} --prefix 24", "give the seconds"),
                           (f"service edit {service} --persistent 0 --prefix 24",
                            "give the seconds"),
                           ("service add tcp://[2001:db8::10]:80 --persistent 9 --prefix 129",
                            "128")):
        text = lab.refused(line)
        check(expected in text, f"{line}: {text}")
    done = lab.try_rlvs("service add tcp://[2001:db8::10]:80 --netmask 255.0.0.0 --persistent 9")
    equal(done.returncode, 2, "the exit status for a mask of IPv4 for IPv6")
    check("--prefix" in done.stderr, done.stderr)
