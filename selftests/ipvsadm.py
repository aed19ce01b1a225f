# SPDX-License-Identifier: GPL-2.0
"""ipvsadm, unmodified, says and does to rlvs what it says and does to ip_vs.

Each group of commands is given to ip_vs and then to rlvs, one process for each command; status,
output and complaints have to be the same. What must differ is told in its own subtests, with why.
"""

import re

from lib.clients import talk
from lib.ktap import check, each, equal, seconds, wait_until
from lib.lab import FLOWS, TCP4, TCP6, UDP4, UDP6
from lib.like_ip_vs import Play, without_size

LIMIT = 240

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


def every_service():
    """Services of each scheduler, with a destination."""
    for port, scheduler in enumerate(SCHEDULERS, 100):
        yield f"-A -t {V4}:{port} -s {scheduler}"
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
    "schedulers": list(every_service()),
    "destinations": lines("""
        -A -t V4:80 -s rr
        -a -t V4:80 -r V4:8001 -m
        -a -t V4:80 -r V4:8002 -m -w 7
        -a -t V4:80 -r OTHER4:8001 -m -w 0
        -a -t V4:80 -r OTHER4:80 --masquerading --weight 65535
        -A -u V6:53 -s wrr
        -a -u V6:53 -r V6:5301 -m -w 3 -x 100 -y 50
        -a -u V6:53 -r OTHER6:5301 -m -x 2000
        -A -t OTHER4:81
        """) + list(LISTS) + lines("""
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
        """),
    "persistence and one-packet scheduling": lines("""
        -A -t V4:80 -s rr -p
        -A -t V4:81 -s rr -p 100
        -A -t V4:82 -s rr -p 60 -M 255.255.255.0
        -A -t V6:80 -s rr -p 600
        -A -u V6:81 -s wlc -p 600 -M 64
        -A -u V4:90 -s rr -o
        -A -u V6:90 -s rr --ops
        -a -u V4:90 -r V4:9001 -m
        -a -t V4:81 -r V4:8001 -m
        -Ln
        -Ln --persistent-conn
        -S -n
        -E -t V4:80 -s rr
        -E -t V4:81 -s rr -p 50 -M 255.255.0.0
        -E -t V6:80 -s rr -p 700 -M 48
        -E -u V4:90 -s rr
        -Ln
        -S -n
        """),
    "flags of schedulers": lines("""
        -A -t V4:80 -s sh -b sh-port
        -A -t V4:81 -s sh -b sh-fallback
        -A -t V4:82 -s sh -b sh-port,sh-fallback
        -A -t V4:83 -s mh -b mh-port
        -A -t V4:84 -s mh -b mh-port,mh-fallback
        -A -t V6:80 -s mh -b mh-fallback
        -A -t V4:85 -s sh -b flag-1
        -A -t V4:86 -s mh -b flag-1,flag-2
        -Ln
        -S -n
        -E -t V4:80 -s sh
        -E -t V4:81 -s sh -b sh-port
        -E -t V4:83 -s rr
        -Ln
        -S -n
        """),
    "save and restore": lines("""
        -A -t V4:80 -s sh -p 300 -M 255.255.255.0 -b sh-port
        -a -t V4:80 -r V4:8001 -m -w 3 -x 10 -y 5
        -a -t V4:80 -r OTHER4:8001 -m -w 0
        -A -u V6:53 -s mh -b mh-fallback
        -a -u V6:53 -r V6:5301 -m -w 65535
        -A --sctp-service V4:9
        -A -u V4:53 -s rr -o
        -a -u V4:53 -r V4:5301 -m
        -S -n
        -C
        -Ln
        -R
        -S -n
        -Ln
        -Ln --thresholds
        -Ln --persistent-conn
        """),
    "timeouts": lines("""
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
    "daemons": lines("""
        -L --daemon
        -Ln --daemon
        """),
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
        -a -t V4:80 -r V6:8001 -m
        -a -u V6:80 -r V4:8001 -m
        -a -t V4:80 -r 224.0.0.1:8001 -m
        -a -t V4:80 -r 255.255.255.255:8001 -m
        -a -u V6:80 -r [ff02::1]:8001 -m
        -a -t V4:80 -r V4:8002 -m -x 5 -y 10
        -a -t V4:80 -r V4:8002 -m -w -1
        -a -t V4:80 -r V4:8002 -m -x 65536
        -e -t V4:80 -r V4:8001 -m -x 5 -y 10
        -A -t V4:82 -s sh -b mh-port
        -A -t V4:82 -s sh -b nosuch
        -A -t V4:82 -s rr -o
        -A -t V4:0 -s rr
        -A -t V6:82 -s rr -p 100 -M 129
        -A -t V4:82 -s rr -p 0
        -A -t 400.1.1.1:80 -s rr
        -A -t V4:82 -s rr --pe nosuch
        --set 1 2
        -E -t V4:80
        -Ln
        -S -n
        """),
}

PLAY = Play(GROUPS)


@each(GROUPS, all_differ=True)
def test_the_same(lab, name):
    PLAY.compare(lab, name)
