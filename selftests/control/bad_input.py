# SPDX-License-Identifier: GPL-2.0
"""A refused command exits with 1, says what to change, and changes nothing."""

from lib import kernel
from lib.ktap import check, each, equal
from lib.lab import TCP, TCP4, TCP6, UDP4, UDP6

# What is asked for, and a word that the text has to contain. {s} is a service of the flow
# with a destination on port 8001; {e} stands for the flow's own addresses.
REFUSED = (
    ("service add {s} --scheduler nosuch", "scheduler"),
    ("service edit {s} --scheduler nosuch", "scheduler"),
    ("service add {zero}", "port"),
    ("service add {s}", "exists"),
    ("service del {other}", "service"),
    ("service edit {other} --scheduler rr", "service"),
    ("service zero {other}", "service"),
    ("service add {multicast}", "unicast"),
    ("service add {mapped}", "mapped"),
    ("dest add {other} :8001 --method nat", "service"),
    ("dest add {s} :0 --method nat", "port"),
    ("dest add {s} :0-5 --method nat", "port"),
    ("dest add {s} :8002 --weight 65536 --method nat", "weight"),
    ("dest add {s} :8002 --weight 4294967295 --method nat", "weight"),
    ("dest edit {s} :8001 --weight 65536", "weight"),
    ("dest add {s} :8001 --method nat", "exists"),
    ("dest del {s} :8002", "destination"),
    ("dest edit {s} :8002 --weight 2", "destination"),
    ("dest edit {s} :8002 --private", "destination"),
    ("dest drain {s} :8002 --timeout 1", "destination"),
    ("dest drain {other} :8001 --timeout 1", "service"),
    ("dest add {s} :80 --method nat", "own"),
    ("dest add {s} {otherfamily} --method nat", "famil"),
)


def names(flow):
    """The placeholders of REFUSED for this flow."""
    four = flow.version == 4
    return {
        "s": flow.service(80),
        "other": flow.service(81),
        "zero": flow.service(0),
        "multicast": flow.service(80, "224.0.0.5" if four else "ff02::5"),
        "mapped": f"{flow.protocol}://[::ffff:198.51.100.10]:80",
        "otherfamily": "[2001:db8:1::10]:8001" if four else "198.51.100.10:8001",
    }


@each([TCP4, UDP6])
def test_refused_with_a_reason(lab, flow):
    """Each reason has a text of its own; lab.refused() compares the services before and after.

    A caller must not be able to fill the kernel log either.
    """
    lab.balance(flow, ports="8001")
    log = kernel.Log()
    reasons = {}
    for arguments, word in REFUSED:
        arguments = arguments.format(**names(flow))
        text = lab.refused(arguments)
        check(word in text.lower(), f"rlvs {arguments}: the text does not mention {word!r}: {text}")
        reasons.setdefault(text, set()).add(word)
    mixed = {text: words for text, words in reasons.items() if len(words) > 1}
    equal(mixed, {}, "texts that stand for several reasons")
    equal(log.lines(), [], "lines in the kernel log")


def test_a_loopback_destination_for_remote_clients_names_the_way_out(lab):
    """The kernel could not deliver there; the text says what to do."""
    for flow, way_out in ((TCP4, "route_localnet"), (UDP4, "route_localnet"), (TCP6, "or ::")):
        lab.balance(flow, ports="8001")
        end = flow.endpoint(flow.loopback, 8002)
        text = lab.refused(f"dest add {flow.service(80)} {end} --method nat")
        check(way_out in text, f"{flow}: the text does not name {way_out}: {text}")


def test_a_loopback_destination_where_the_kernel_delivers(lab):
    """A service that is itself on loopback, and IPv4 with route_localnet."""
    for flow in TCP:
        service = flow.service(80, flow.loopback)
        lab.rlvs(f"service add {service}")
        lab.rlvs(f"dest add {service} :8001 --method nat")
    lab.balance(TCP4, ports="8001")
    lab.lb.sysctl("net.ipv4.conf.all.route_localnet", 1)
    lab.rlvs(f"dest add {TCP4.service(80)} 127.0.0.1:8002 --method nat")
    lab.lb.sysctl("net.ipv4.conf.all.route_localnet", 0)


def test_wrong_usage_has_status_2(lab):
    for arguments in ("", "nosuch", "service add", "service add nonsense",
                      "service add tcp://198.51.100.10", "service add tcp://198.51.100.10:99999",
                      "service add dccp://198.51.100.10:80", "service add tcp://2001:db8::1:80:80:",
                      f"dest add {TCP4.service(80)}", f"dest add {TCP4.service(80)} :x",
                      f"dest add {TCP4.service(80)} :8001 --weight many",
                      f"dest add {TCP4.service(80)} :8001 --weight -1",
                      f"dest add {TCP4.service(80)} :8001 --private --public",
                      f"dest drain {TCP4.service(80)}", "watch now",
                      f"dest drain {TCP4.service(80)} :8001 --timeout -1", "list --nosuch"):
        done = lab.try_rlvs(arguments)
        equal(done.returncode, 2, f"exit status of rlvs {arguments}")
        check(done.stderr.strip(), f"rlvs {arguments}: no word on stderr")
    equal(lab.services(), [], "services")
