# SPDX-License-Identifier: GPL-2.0
"""`sysctl -p` with any setting of ip_vs (net.ipv4.vs.*) succeeds as it does with ip_vs.

Names, defaults, modes and what each takes are those of the real ip_vs in the same guest; what must
differ is in DIFFERENT.
"""

import errno
import os
from pathlib import Path

from lib import kernel
from lib.ktap import Skip, each, equal
from lib.lab import Lab
from lib.like_ip_vs import load_ip_vs, unload_ip_vs
from lib.netns import Namespace

FOLDER = "/proc/sys/net/ipv4/vs"
VALUES = ("0", "1", "2", "3", "4", "5", "8", "9", "64", "100", "-1", "-8", "-9", "-20", "-21", "19",
          "20", "2147483647", "2147483648", "-2147483648", "-2147483649", "18446744073709551616",
          "3 50", "50 3", "5 5", "7 0", "-1 5", "1 2 3", "0-1", "x", "1x", "")
# Memory is the host's: other bounds, and nothing negative that would mean nothing.
DIFFERENT = {"conn_max", "am_droprate", "amemthresh"}
OURS = {"csum_complete", "conn_max_total", "dest_max", "svc_max"}
# 2 is 1 while memory is short. It is not: here the next look at the memory says so.
AUTOMATIC = {"drop_entry", "drop_packet", "secure_tcp"}
# What kube-vip, kube-proxy, keepalived and Docker set.
SET_BY_OTHERS = "conntrack=1 conn_reuse_mode=0 expire_nodest_conn=1 expire_quiescent_template=1"
seen = {}


def attempt(path, text):
    """What comes of writing to a file, and what is in it then."""
    try:
        fd = os.open(path, os.O_WRONLY)
        try:
            os.write(fd, text.encode())
            met = ""
        finally:
            os.close(fd)
    except OSError as error:
        met = errno.errorcode[error.errno]
    return met, path.read_text(encoding="ascii")


def look():
    """Everything about each file of a new namespace, of the host and of an ordinary user."""
    with Namespace() as host:
        files = sorted(Path(FOLDER).iterdir())
        found = {}
        for file in files:
            default = file.read_text(encoding="ascii")
            values = [text for text in VALUES if text != "2" or file.name not in AUTOMATIC]
            tried = [(text, *attempt(file, text)) for text in values]
            attempt(file, default.strip())
            found[file.name] = oct(file.stat().st_mode), default, tried
        command = f"cd {FOLDER}; grep -H . *; stat -c '%n %a %u %g' *"
        of_user = host.run("unshare", "--user", "--map-root-user", "--net", "sh", "-ec", command)
    return found, of_user


def both():
    """ip_vs's files and rlvs's."""
    if not seen:
        load_ip_vs()
        try:
            seen["ip_vs"] = look()
        finally:
            unload_ip_vs(Lab())
            kernel.insert()
        seen["rlvs"] = look()
    return seen["ip_vs"], seen["rlvs"]


def test_names():
    (theirs, _), (ours, _) = both()
    equal(set(ours) - OURS, set(theirs), "the names")


@each(("mode", "default", "values"))
def test_what_each_is(what):
    (theirs, _), (ours, _) = both()
    place = ("mode", "default", "values").index(what)
    for name, of_ip_vs in theirs.items():
        if name not in DIFFERENT or what == "mode" or (what == "default" and name != "conn_max"):
            equal(ours[name][place], of_ip_vs[place], f"the {what} of {name}")


def test_an_ordinary_users_namespace():
    """There some can only be read."""
    (_, theirs), (_, ours) = both()
    if theirs.returncode:
        raise Skip(f"no user namespaces here: {theirs.stderr}")

    def lines(done):
        return [line for line in done.stdout.splitlines()
                if not line.startswith((*OURS, "conn_max:"))]
    equal(lines(ours), lines(theirs), "values, modes and owners")


def test_what_programs_set(lab):
    """In one go, as from a file."""
    for setting in SET_BY_OTHERS.split():
        name, _, value = setting.partition("=")
        lab.lb.sysctl(f"net.ipv4.vs.{name}", value)
        equal(lab.lb.read(f"{FOLDER}/{name}").strip(), value, f"net.ipv4.vs.{name}")
