# SPDX-License-Identifier: GPL-2.0
"""The configuration as a document: what is saved comes back, what is applied is all there is."""

from lib.clients import talk
from lib.ktap import check, each, equal
from lib.lab import FAMILIES, TCP, UDP

EVERYTHING = """
    service add {tcp}:80 --scheduler mh --flags mh-port,uncounted --table-size 65537 --slow-start 30
    dest add {tcp}:80 :8001-8004 --weight 3 --private
    dest add {tcp}:80 :8006 --user 33
    dest add {tcp}:80 :8005 --weight 0
    dest add {tcp}:80 {loopback}:8001
    service add {tcp}:443 --scheduler sh --flags sh-fallback,sloppy --persistent 360 --prefix 24
    dest add {tcp}:443 :8001-8002 --method nat --max-connections 100 --min-connections 50
    dest add {tcp}:443 {other}:443 --weight 65535
    service add {any}:81 --timeout-tcp 60 --timeout-fin 30
    dest add {any}:81 :8081 --method steer
    service add {udp}:53 --scheduler rr --flags ops
    dest add {udp}:53 :5301-5303
    service add {udp}:54 --scheduler lblcr --timeout-udp 5
    timeouts --tcp 7200 --tcp-fin 60 --udp 30
"""


def everything():
    """Lines of rlvs with every setting, in both address families."""
    text = ""
    for tcp, udp in zip(TCP, UDP):
        any_address = "*" if tcp.version == 4 else "[::]"
        text += EVERYTHING.format(tcp=tcp.service(1)[:-2], udp=udp.service(1)[:-2],
                                  any=f"tcp://{any_address}",
                                  loopback=tcp.endpoint(tcp.loopback, 1)[:-2],
                                  other=tcp.endpoint(tcp.vip2, 1)[:-2])
    return [line.strip() for line in text.splitlines() if line.strip()]


def document(lab, lines):
    """Gives lines to `rlvs restore`, which has to succeed."""
    done = lab.try_rlvs("restore", input="\n".join(lines))
    equal((done.returncode, done.stderr), (0, ""), "rlvs restore: status and complaints")


def test_what_is_saved_is_restored(lab):
    for line in everything():
        lab.rlvs(line)
    before, saved = lab.services(), lab.rlvs("save")
    lab.rlvs("flush")
    lab.rlvs("timeouts --tcp 0 --tcp-fin 0 --udp 0")
    equal(lab.rlvs("save"), "timeouts --tcp 900 --tcp-fin 120 --udp 300\n", "nothing, saved")
    document(lab, saved.splitlines())
    equal(lab.services(), before, "services")
    equal(lab.rlvs("save"), saved, "saved again")
    lab.rlvs("flush")
    document(lab, everything())
    equal(lab.rlvs("save"), saved, "what the same lines in a document make")
    lab.rlvs("timeouts --tcp 0 --tcp-fin 0 --udp 0")


@each(FAMILIES)
def test_a_mistake_changes_nothing(lab, flow):
    service = flow.service(80)
    before = lab.services()
    done = lab.try_rlvs("restore", input=f"service add {service}\n# workers\n"
                                         f"dest add {service} :8001 --wait 1\n")
    equal((done.returncode, done.stderr.strip()),
          (2, f"rlvs: standard input:3:{len(service) + 17}: dest add has no option '--wait'"),
          "status and complaint")
    equal(lab.services(), before, "services")


@each(FAMILIES)
def test_what_is_there_is_named_and_left(lab, flow):
    service = lab.balance(flow)
    before = lab.services()
    done = lab.try_rlvs("restore", input=f"service add {flow.service(81)}\nservice add {service}\n")
    equal(done.returncode, 1, "status")
    check(done.stderr.strip().endswith(f"already: {service}"), done.stderr)
    equal(lab.services(), before, "services")


@each(FAMILIES)
def test_a_refusal_undoes_the_rest(lab, flow):
    before, saved = lab.services(), lab.rlvs("save")
    # Only the kernel knows the schedulers.
    done = lab.try_rlvs("restore", input=f"timeouts --udp 7\nservice add {flow.service(80)}\n"
                                         f"dest add {flow.service(80)} :8001\n"
                                         f"service add {flow.service(81)} --scheduler none\n")
    equal(done.returncode, 1, "status")
    check("unknown scheduler" in done.stderr, done.stderr)
    check("the 3 changes before it were undone" in done.stderr, done.stderr)
    equal(lab.services(), before, "services")
    equal(lab.rlvs("save"), saved, "saved again")


@each(FAMILIES)
def test_apply_changes_only_what_differs(lab, flow):
    service, other = flow.service(80), flow.service(81)
    lab.servers.listen(flow, [8001])
    lab.rlvs(f"service add {service} --scheduler rr")
    lab.rlvs(f"dest add {service} :8001-8003 --method nat")
    lab.rlvs(f"service add {other}")
    held = talk(lab.client, flow)
    wanted = (f"service add {service} --scheduler wlc\ndest add {service} :8001 --method nat\n"
              f"dest add {service} :8003-8004 --method nat --weight 2\n")
    changes = [f"service edit {service} --scheduler wlc",
               f"dest add {service} :8004 --weight 2 --method nat",
               f"dest edit {service} :8003 --weight 2",
               f"dest del {service} :8002",
               f"service del {other}"]
    before = lab.services()
    planned = lab.try_rlvs("apply - --dry-run", input=wanted)
    equal((planned.returncode, planned.stdout.splitlines()), (1, changes), "the plan")
    equal(lab.services(), before, "services after --dry-run")
    done = lab.try_rlvs("apply -", input=wanted)
    equal((done.returncode, done.stdout, done.stderr), (0, "", ""), "rlvs apply")
    equal({port: d["weight"] for port, d in lab.destinations(service).items()},
          {8001: 1, 8003: 2, 8004: 2}, "weights by port")
    held.say(b"still there")
    equal(lab.destinations(service)[8001]["stats"]["connections"], 1, "connections counted")
    planned = lab.try_rlvs("apply - --dry-run", input=wanted)
    equal((planned.returncode, planned.stdout), (0, ""), "the plan when nothing is to be done")
    equal(lab.try_rlvs("apply - --dry-run", input="service add").returncode, 2,
          "status after a mistake")
    equal(lab.try_rlvs("apply /none --dry-run").returncode, 2, "status without a document")
    held.close()


def test_apply_from_anything_to_anything(lab):
    document(lab, everything())
    full = lab.rlvs("save")
    # Methods, flags and bounds that exclude each other, and ends that move between services.
    turned = []
    for tcp, udp in zip(TCP, UDP):
        turned += [f"service add {tcp.service(80)} --scheduler wlc --persistent 60",
                   f"dest add {tcp.service(80)} :8004-8007 --method nat --max-connections 9",
                   f"service add {tcp.service(443)} --scheduler mh --flags uncounted",
                   f"dest add {tcp.service(443)} :8002-8003 --method steer",
                   f"service add {udp.service(53)} --scheduler rr",
                   f"dest add {udp.service(53)} :5301",
                   f"service add {udp.service(55)} --scheduler rr --flags ops",
                   f"dest add {udp.service(55)} :5302-5303"]
    for wanted in "\n".join(turned), full, "", full:
        done = lab.try_rlvs("apply -", input=wanted)
        equal((done.returncode, done.stderr), (0, ""), "rlvs apply: status and complaints")
        planned = lab.try_rlvs("apply - --dry-run", input=wanted)
        equal((planned.returncode, planned.stdout), (0, ""), "what is left to do")
    equal(lab.rlvs("save"), full, "saved again")
    lab.rlvs("timeouts --tcp 0 --tcp-fin 0 --udp 0")


OF_IPVSADM = """
    -A -t {vip}:80 -s rr
    -a -t {vip}:80 -r {vip}:8001 -m
    -a -t {vip}:80 -r {other}:80 -m -w 7 -x 100 -y 50
    -a -t {vip}:80 -r {vip}:8000 -m -w 0
    -A -t {vip}:81 -s sh -b sh-port,sh-fallback
    -A -t {vip}:82 -s mh -p 60 -M {mask} -b mh-port
    -a -t {vip}:82 -r {vip}:8001 -m
    -A -t {vip}:83 -s lc
    -a -t {vip}:83 -r {loopback}:8001 -m
    -A -u {vip}:53 -s wlc -o
    -a -u {vip}:53 -r {vip}:5301 -m -w 3
    -A --sctp-service {vip}:3868 -s wrr -p
"""


@each(FAMILIES)
def test_what_ipvsadm_prints_is_restored(lab, flow):
    text = OF_IPVSADM.format(
        vip=flow.endpoint(flow.vip, 1)[:-2], other=flow.endpoint(flow.vip2, 1)[:-2],
        loopback=flow.endpoint(flow.loopback, 1)[:-2],
        mask="255.255.255.0" if flow.version == 4 else "64")
    lab.lb.must("ipvsadm", "-R", input="\n".join(line.strip() for line in text.splitlines()[1:]))
    before, printed = lab.services(), lab.lb.must("ipvsadm", "-S", "-n")
    equal(len(before), 6, "services")
    # ipvsadm prints destinations by address and port, and no thresholds.
    for service in before:
        service["destinations"].sort(key=lambda d: (d["address"], d["port"]))
        for destination in service["destinations"]:
            destination["max_connections"] = destination["min_connections"] = 0
    lab.rlvs("flush")
    done = lab.try_rlvs("restore --ipvsadm", input=printed)
    equal((done.returncode, done.stderr), (0, ""), "rlvs restore: status and complaints")
    equal(lab.services(), before, "services")
    equal(lab.lb.must("ipvsadm", "-S", "-n"), printed, "ipvsadm -S -n")


def test_what_is_not_for_local_ports_is_refused(lab):
    done = lab.try_rlvs("restore --ipvsadm", input="-A -t 198.51.100.10:80 -s rr\n-A -f 1 -s rr\n")
    equal(done.returncode, 2, "status")
    check("standard input:2:4: there are no services by firewall mark" in done.stderr, done.stderr)
    equal(lab.services(), [], "services")
