# SPDX-License-Identifier: GPL-2.0
"""ipvsadm, unmodified, does and prints with rlvs what it does and prints with ip_vs.

Each group of commands is given to ip_vs and then to rlvs, one process for each command; status,
output and complaints have to be the same. What must differ is told in its own subtests, with why.
Lists of connections and counters under traffic are in proc.py.
"""

import re

from lib import kernel
from lib.ktap import check, each, equal
from lib.lab import TCP4, TCP6
from lib.like_ip_vs import Play, load_ip_vs, unload_ip_vs
from lib.strace import Trace

LIMIT = 300
PLAIN_ONLY = "ipvs/errors and ipvs/fuzz run the same code"

V4, V6 = TCP4.vip, f"[{TCP6.vip}]"
OTHER4, OTHER6 = TCP4.vip2, f"[{TCP6.vip2}]"
LISTS = ("-Ln", "-Ln --stats", "-Ln --rate", "-Ln --thresholds", "-Ln --persistent-conn",
         "-Ln --exact", "-Ln --stats --exact", "-Ln --sort")
SCHEDULERS = ("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf")


def lines(text):
    """Steps, one a line, with V4, V6, OTHER4 and OTHER6 for the addresses of the lab."""
    names = {"V4": V4, "V6": V6, "OTHER4": OTHER4, "OTHER6": OTHER6}
    text = re.sub(r"\b(OTHER|V)[46]\b", lambda match: names[match[0]], text)
    return [line.strip() for line in text.strip().splitlines()]


def every_scheduler():
    """A service of each, and edits."""
    yield [f"-A -t {V4}:{port} -s {name}" for port, name in enumerate(SCHEDULERS, 100)]
    yield f"-A -t {V4}:200"
    yield "-Ln"
    yield f"-E -t {V4}:100 -s wlc"
    yield f"-E -t {V4}:112 -s sh -b sh-port,sh-fallback"
    yield "-Ln"
    yield "-S -n"


GROUPS = {
    "services": lines("""
        -Ln
        -A -t V4:80 -s rr
        -A -u V4:80 -s wlc
        -A --sctp-service V4:80 -s wrr
        -A -t V6:80 -s rr
        -A -u V6:80 -s lc
        -A --sctp-service V6:80
        --add-service --tcp-service OTHER4:443 --scheduler rr
        -Ln
        -Ln -t V4:80
        -Ln -u V6:80
        -Ln --sctp-service V4:80
        -E -t V4:80 -s wrr
        -E -u V6:80
        -Ln
        -D -u V4:80
        -D -t V6:80
        -Ln
        -C
        -Ln
        -C
        """),
    "schedulers": list(every_scheduler()),
    "destinations": [lines("""
        -A -t V4:80 -s rr
        -a -t V4:80 -r V4:8001 -m
        -a -t V4:80 -r V4:8002 -m -w 7
        -a -t V4:80 -r OTHER4:8001 -m -w 0
        -a -t V4:80 -r OTHER4:80 --masquerading --weight 65535
        -A -u V6:53 -s wrr
        -a -u V6:53 -r V6:5301 -m -w 3 -x 100 -y 50
        -a -u V6:53 -r OTHER6:5301 -m -x 2000
        -A -t OTHER4:81
        """), *LISTS, *lines("""
        -Ln -t V4:80
        -Ln -t OTHER4:81
        -e -t V4:80 -r V4:8001 -m -w 9
        -e -t V4:80 -r V4:8002 -m -x 10 -y 5
        -e -u V6:53 -r V6:5301 -m
        -Ln
        -Ln --thresholds
        -d -t V4:80 -r OTHER4:8001
        -d -u V6:53 -r V6:5301
        -Ln
        -a -t V4:80 -r OTHER4:8001 -m -w 2
        -Ln
        -D -t V4:80
        -Ln
        -A -t V4:80 -s rr
        -Ln -t V4:80
        """)],
    "persistence and one-packet scheduling": [lines("""
        -A -t V4:80 -s rr -p
        -A -t V4:81 -s rr -p 100
        -A -t V4:82 -s rr -p 60 -M 255.255.255.0
        -A -t V6:80 -s rr -p 600
        -A -u V6:81 -s wlc -p 600 -M 64
        -A -u V4:90 -s rr -o
        -A -u V6:90 -s rr --ops
        -a -u V4:90 -r V4:9001 -m
        -a -t V4:81 -r V4:8001 -m
        """), *lines("""
        -Ln
        -Ln --persistent-conn
        -S -n
        -E -t V4:80 -s rr
        -E -t V4:81 -s rr -p 50 -M 255.255.0.0
        -E -t V6:80 -s rr -p 700 -M 48
        -E -u V4:90 -s rr
        -Ln
        -S -n
        """)],
    "flags of schedulers": [lines("""
        -A -t V4:80 -s sh -b sh-port
        -A -t V4:81 -s sh -b sh-fallback
        -A -t V4:82 -s sh -b sh-port,sh-fallback
        -A -t V4:83 -s mh -b mh-port
        -A -t V4:84 -s mh -b mh-port,mh-fallback
        -A -t V6:80 -s mh -b mh-fallback
        -A -t V4:85 -s sh -b flag-1
        -A -t V4:86 -s mh -b flag-1,flag-2
        """), *lines("""
        -Ln
        -S -n
        -E -t V4:80 -s sh
        -E -t V4:81 -s sh -b sh-port
        -E -t V4:83 -s rr
        -Ln
        -S -n
        """)],
    "save and restore": [lines("""
        -A -t V4:80 -s sh -p 300 -M 255.255.255.0 -b sh-port
        -a -t V4:80 -r V4:8001 -m -w 3 -x 10 -y 5
        -a -t V4:80 -r OTHER4:8001 -m -w 0
        -A -u V6:53 -s mh -b mh-fallback
        -a -u V6:53 -r V6:5301 -m -w 65535
        -A --sctp-service V4:9
        -A -u V4:53 -s rr -o
        -a -u V4:53 -r V4:5301 -m
        """), *lines("""
        -S -n
        -C
        -Ln
        -R
        -S -n
        -Ln
        -Ln --thresholds
        -Ln --persistent-conn
        """)],
    "timeouts and daemons": lines("""
        -L --daemon
        -Ln --daemon
        -L --timeout
        --set 100 50 20
        -L --timeout
        --set 0 0 30
        -L --timeout
        --set 200 0 0
        -L --timeout
        """),
    "zero": lines("""
        -Z
        -A -t V4:80 -s rr
        -a -t V4:80 -r V4:8001 -m
        -Z
        -Z -t V4:80
        -Ln --stats
        """),
    "names": lines("""
        -A -t localhost:http -s rr
        -a -t localhost:http -r localhost:8001 -m
        -L
        -Ln
        -S
        """),
    # Not what ipvsadm itself refuses: it does not ask the kernel then.
    "errors": lines("""
        -A -t V4:80 -s nosuch
        -A -t V4:80 -s rr
        -A -t V4:80 -s rr
        -A -t V4:80 -s wlc
        -A -u V6:80 -s rr
        -A -u V6:80 -s rr
        -E -t V4:81 -s rr
        -E -t V4:80 -s nosuch
        -D -t V4:81
        -D -t V6:80
        -D --sctp-service V4:80
        -Z -t V4:81
        -Ln -t V4:81
        -Ln -u V4:80
        -a -t V4:81 -r V4:8001 -m
        -e -t V4:81 -r V4:8001 -m
        -d -t V4:81 -r V4:8001
        -a -t V4:80 -r V4:8001 -m
        -a -t V4:80 -r V4:8001 -m
        -a -t V4:80 -r V4:8001 -m -w 5
        -e -t V4:80 -r V4:8002 -m
        -d -t V4:80 -r V4:8002
        -d -u V6:80 -r V6:8001
        -a -t V4:80 -r 224.0.0.1:8001 -m
        -a -t V4:80 -r 255.255.255.255:8001 -m
        -a -u V6:80 -r [ff02::1]:8001 -m
        -a -t V4:80 -r V4:8002 -m -x 5 -y 10
        -a -t V4:80 -r V4:8002 -m -x 65536
        -e -t V4:80 -r V4:8001 -m -x 5 -y 10
        -A -t V4:82 -s rr --pe nosuch
        -E -t V4:80
        -Ln
        -S -n
        """),
}

PLAY = Play(GROUPS)


@each(GROUPS)
def test_the_same(lab, name):
    PLAY.compare(lab, name)


UNSUPPORTED = "Operation not supported with IPv6"  # so ipvsadm calls EOPNOTSUPP
INVALID = "Invalid operation.  Possibly wrong module version, address not unicast, ..."
# What ip_vs grants and rlvs refuses: the command, what ipvsadm says of it, and why.
DIFFERENT = [(line.strip(), says, why) for lines_, says, why in (
    ("-A -f 7 -s rr|-A -f 7 -6 -s rr", UNSUPPORTED, "services of marked packets: not there yet"),
    ("-a -t V4:80 -r V4 -g|-a -t V4:80 -r V4:80|-a -t V6:80 -r V6:80 -g", UNSUPPORTED,
     "direct routing: not there yet"),
    ("-a -t V4:80 -r V4 -i|-a -t V4:80 -r V4 -i --tun-type gue --tun-port 6080", UNSUPPORTED,
     "tunnels: not there yet"),
    ("-a -t V4:80 -r 203.0.113.9:8001 -m|-a -t V6:80 -r [2001:db8:9::9]:8001 -m", UNSUPPORTED,
     "masquerading to another host: not there yet"),
    ("-A -u V4:5060 -s rr -p 60 --pe sip", UNSUPPORTED, "persistence engines: not there yet"),
    ("-A -t V4:0 -s rr -p 60", UNSUPPORTED, "services of every port: not there yet"),
    ("--start-daemon master --mcast-interface lo --syncid 1", UNSUPPORTED,
     "the synchronisation of connections: not there yet"),
    ("-a -t V4:80 -r V4:8002 -m -w 65536", "Numerical result out of range",
     "weights have 16 bits"),
    ("-A -u V4:90 -s rr -p 60 -o", INVALID, "one-packet scheduling keeps nothing of a client"),
) for line in lines_.split("|")]


def different():
    """The commands of DIFFERENT, each on services that are there."""
    return lines("-C\n-A -t V4:80 -s rr\n-a -t V4:80 -r V4:8001 -m\n-A -t V6:80 -s rr\n"
                 + "\n".join(command for command, _, _ in DIFFERENT))


def test_what_must_differ(lab):
    """Refused with a message, and nothing is changed; ip_vs grants each of these."""
    steps = different()
    begin = steps[:-len(DIFFERENT)]
    load_ip_vs("rr")
    try:
        for step, (_, _, why) in zip(steps[-len(DIFFERENT):], DIFFERENT, strict=True):
            lab.lb.must("ipvsadm", "-R", input="\n".join(begin[1:]) + "\n")
            done = lab.lb.run("ipvsadm", *step.split())
            equal((done.returncode, done.stderr), (0, ""), f"ip_vs, `{step}` ({why})")
            lab.lb.must("ipvsadm", "-C")
        lab.lb.run("ipvsadm", "--stop-daemon", "master")
    finally:
        unload_ip_vs(lab)
        kernel.insert()
    lab.lb.must("ipvsadm", "-R", input="\n".join(begin[1:]) + "\n")
    before = lab.services()
    for step, (_, says, why) in zip(steps[-len(DIFFERENT):], DIFFERENT, strict=True):
        done = lab.lb.run("ipvsadm", *step.split())
        equal((done.returncode, done.stderr.strip()), (255, says), f"rlvs, `{step}` ({why})")
        equal(lab.services(), before, f"services after `{step}`")


def test_a_local_destination_is_not_the_service(lab):
    """ip_vs would let one lead to itself."""
    lab.lb.must("ipvsadm", "-A", "-t", f"{V4}:80", "-s", "rr")
    done = lab.lb.run("ipvsadm", "-a", "-t", f"{V4}:80", "-r", f"{V4}:80", "-m")
    check(done.returncode != 0 and done.stderr, "the service leads to itself")
    equal(lab.services()[0]["destinations"], [], "destinations")


def test_the_schedulers_of_rlvs_only(lab):
    """ipvsadm passes on any name, so those that ip_vs has not work as well."""
    for port, scheduler in ((80, "p2c"), (81, "jsq"), (82, "twos")):
        lab.lb.must("ipvsadm", "-A", "-t", f"{V4}:{port}", "-s", scheduler)
        shown = lab.lb.must("ipvsadm", "-Ln", "-t", f"{V4}:{port}").splitlines()[-1]
        equal(shown, f"TCP  {V4}:{port} {scheduler}", "the service")


def test_no_other_way_than_the_family(lab):
    """Its system calls: netlink messages, no socket options of ip_vs, and no modprobe."""
    lab.balance(TCP4, ports="8001")
    with Trace() as trace:
        lab.lb.must(*trace.words, "ipvsadm", "-Ln")
        trace.only_the_family(lab.lb)
