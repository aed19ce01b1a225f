# SPDX-License-Identifier: GPL-2.0
"""A user that may not load modules does not get rlvs loaded; root does.

Loaded by such a request, it would keep ip_vs out.

The module is installed, as `make modules_install` does it, and tools/modprobe/rlvs.conf is not.
"""

from lib import kernel
from lib.installed import HELPER, ask, installed, unload, which
from lib.ktap import check, equal
from lib.lab import Lab

WITHOUT_MODULE = True
PLAIN_ONLY = "what it is about is not the module's code"

NOBODY = {"user": 65534, "group": 65534, "extra_groups": []}
IN_NAMESPACES = ("unshare", "--user", "--map-root-user", "--net")


COMMANDS = ("rlvs list", "rlvs service add tcp://*:80", "genl ctrl get name rlvs")


def test_an_ordinary_user_does_not_load_it():
    """Nor root of namespaces of its own. Root of the host then loads ip_vs."""
    unload()
    with installed("") as modprobe:
        for command in COMMANDS:
            for prefix in ((), IN_NAMESPACES):
                done = ask(*prefix, *command.split(), **NOBODY)
                equal(which(), [], f"what is loaded after {command} of an ordinary user")
                check(done.returncode != 0, f"{command} succeeds")
                if command.startswith("rlvs"):
                    wanted = "is not loaded" if prefix else "as root, run 'modprobe rlvs'"
                    check(wanted in done.stderr, f"what {command} says: {done.stderr}")
        # That family is ip_vs's, unless rlvs.conf says otherwise.
        ask("genl", "ctrl", "get", "name", "IPVS", **NOBODY)
        equal(which(), ["ip_vs"], "what is loaded")
        done = ask(modprobe, "--", "ip_vs")
        equal((done.returncode, done.stderr), (0, ""), "modprobe ip_vs of root's afterwards")
        done = ask("rlvs", "list")
        equal(done.returncode, 1, "exit status beside ip_vs")
        check("modprobe -r ip_vs" in done.stderr, f"what is said of ip_vs: {done.stderr}")
        equal(which(), ["ip_vs"], "what is loaded")


def test_root_loads_it():
    """By its first command, whichever that is."""
    unload()
    with installed(""):
        for command in COMMANDS[:2]:
            done = ask(*command.split())
            equal((done.returncode, done.stderr), (0, ""), command)
            equal(which(), ["rlvs"], "what is loaded")
            unload()


def test_root_hears_why_not():
    """There is no such module; nothing is to be loaded."""
    unload()
    before = HELPER.read_text(encoding="ascii")
    for program, wanted in ((before, "rlvs not found"), ("\n", "run 'modprobe rlvs'")):
        HELPER.write_text(program, encoding="ascii")
        try:
            done = ask("rlvs", "list")
        finally:
            HELPER.write_text(before, encoding="ascii")
        equal(done.returncode, 1, "exit status")
        check(wanted in done.stderr, f"what is said: {done.stderr}")


def test_rlvs_is_back():
    """For the tests after this one."""
    unload()
    kernel.insert()
    equal(Lab().services(), [], "services")
