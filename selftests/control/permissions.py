# SPDX-License-Identifier: GPL-2.0
"""Only CAP_NET_ADMIN in the namespace's own user namespace may change anything."""

from lib.clients import served_by, talk
from lib.ktap import Skip, check, each, equal, seconds
from lib.lab import TCP4, TCP6

NOBODY = 65534
CHANGES = (
    "service add tcp://198.51.100.10:81",
    "service edit {service} --scheduler rr",
    "service del {service}",
    "service zero {service}",
    "dest add {service} :9000",
    "dest edit {service} :8001 --weight 5",
    "dest edit {service} :8001 --private",
    "dest drain {service} :8001",
    "dest del {service} :8001",
    "flush",
    "flush --now",
)


def test_an_ordinary_user_changes_nothing(lab):
    service = lab.balance(TCP4, scheduler="wlc")
    before = lab.services()
    for change in CHANGES:
        done = lab.try_rlvs(change.format(service=service), user=NOBODY, group=NOBODY,
                            extra_groups=[])
        equal(done.returncode, 1, f"exit status of {change}")
        check("CAP_NET_ADMIN" in done.stderr,
              f"{change}: the error names no capability: {done.stderr}")
        equal(lab.services(), before, f"services after {change}")


def test_an_ordinary_user_hears_no_events(lab):
    """Nor does root without the capability."""
    lab.balance(TCP4)
    for options in ({"user": NOBODY, "group": NOBODY, "extra_groups": []}, {}):
        command = ["rlvs", "watch"]
        if not options:
            command = ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin",
                       *command]
        done = lab.lb.run(*command, **options)
        equal(done.returncode, 1, f"exit status of {command}")
        check("CAP_NET_ADMIN" in done.stderr, f"the error names no capability: {done.stderr}")
        equal(done.stdout, "", "what was printed")


def test_an_ordinary_user_does_not_see_connections(lab):
    """They are other people's addresses."""
    lab.balance(TCP4)
    done = lab.try_rlvs("conns", user=NOBODY, group=NOBODY, extra_groups=[])
    equal(done.returncode, 1, "exit status of conns")


CLIENTS = ("/proc/net/ip_vs_conn", "/proc/net/ip_vs_conn_sync")
OTHERS = ("/proc/net/ip_vs", "/proc/net/ip_vs_stats", "/proc/net/ip_vs_stats_percpu")


@each((TCP4, TCP6))
def test_an_ordinary_user_does_not_see_connections_in_files(lab, flow):
    """The files of ip_vs show the same."""
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    with talk(lab.client, flow):
        for file in (*CLIENTS, *OTHERS):
            for who in ({}, {"user": NOBODY, "group": NOBODY, "extra_groups": []}):
                done = lab.lb.run("cat", file, **who)
                may = file in OTHERS or not who
                equal(done.returncode == 0, may, f"whether {who} may read {file}: {done.stderr}")
                equal("ESTABLISHED" in done.stdout, file in CLIENTS and may, "whether it shows it")


def test_root_without_the_capability(lab):
    service = lab.balance(TCP4)
    before = lab.services()
    done = lab.lb.run("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin",
                      "rlvs", "service", "del", service)
    equal(done.returncode, 1, f"exit status; stderr: {done.stderr}")
    equal(lab.services(), before, "services")


def in_user_namespace(lab, *options):
    """A shell of a fresh user namespace where the caller is root, as containers have it."""
    probe = lab.lb.run("unshare", "--user", "--map-root-user", "true")
    if probe.returncode != 0:
        raise Skip(f"no user namespaces here: {probe.stderr.strip()}")
    return ("unshare", "--user", "--map-root-user", *options, "sh", "-ec")


def test_root_of_a_foreign_user_namespace(lab):
    """Root there is nobody here: the network namespace belongs to the outer one."""
    service = lab.balance(TCP4)
    before = lab.services()
    done = lab.lb.run(*in_user_namespace(lab), f"rlvs service del {service}")
    equal(done.returncode, 1, f"exit status; stderr: {done.stderr}")
    equal(lab.services(), before, "services")


def test_root_of_a_foreign_user_namespace_sees_no_connections(lab):
    """The files are not its own."""
    lab.balance(TCP4)
    for file in CLIENTS:
        # Whoever opened it: an ordinary user, who is root there.
        done = lab.lb.run(*in_user_namespace(lab), f"cat {file}", user=NOBODY, group=NOBODY,
                          extra_groups=[])
        equal((done.returncode, done.stdout), (1, ""), f"what root there reads of {file}")


def test_root_of_its_own_namespaces_sees_its_connections(lab):
    """From the first service on: when the network namespace was made there was no root yet."""
    lab.balance(TCP4)
    done = lab.lb.run(*in_user_namespace(lab, "--net"),
                      "rlvs service add tcp://0.0.0.0:80;"
                      f"cat {' '.join(CLIENTS)}; stat -Lc %a:%u:%g {' '.join(CLIENTS)}",
                      user=NOBODY, group=NOBODY, extra_groups=[])
    equal((done.returncode, done.stderr), (0, ""), "exit status")
    equal(done.stdout.splitlines()[-2:], ["440:0:0"] * 2, "mode and owner")


def test_root_of_its_own_namespaces_may(lab):
    """And what it does stays there."""
    lab.servers.listen(TCP4, [8001])
    lab.balance(TCP4, ports="8001")
    done = lab.lb.run(*in_user_namespace(lab, "--net"),
                      "ip link set lo up; ip addr add 198.51.100.10/32 dev lo;"
                      "rlvs service add tcp://198.51.100.10:80;"
                      "rlvs dest add tcp://198.51.100.10:80 :9001; rlvs list;"
                      "heard=$(mktemp); rlvs watch >$heard & watch=$!;"
                      f"for i in $(seq {seconds(100):.0f}); do grep -q down $heard && break;"
                      "sleep 0.1; done; kill -KILL $watch; cat $heard; rm $heard;"
                      "rlvs flush --now")
    equal(done.returncode, 0, f"exit status; stderr: {done.stderr}")
    check("9001" in done.stdout, f"the list does not show the destination: {done.stdout}")
    check('"event":"down"' in done.stdout, f"no event was heard: {done.stdout}")
    equal(served_by(lab.client, TCP4, 2), {8001: 2}, "conversations in the outer namespace")
