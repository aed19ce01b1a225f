# SPDX-License-Identifier: GPL-2.0
"""With tools/modprobe/rlvs.conf, what asks for ip_vs gets rlvs.

The modules are in a folder of the test's own, where modprobe(8) is told to look, as it would in
/lib/modules after `make modules_install`; the kernel's requests go the same way.
"""

import os
from pathlib import Path

from lib import kernel
from lib.installed import CONFIG, OTHERS, ask, installed, unload, which
from lib.ktap import check, each, equal
from lib.lab import Lab

WITHOUT_MODULE = True
PLAIN_ONLY = "what it is about is not the module's code"


@each(OTHERS, all_differ=True)
def test_modprobe(name):
    unload()
    with installed(CONFIG.read_text(encoding="ascii")) as modprobe:
        for _ in range(2):
            # The second time it is there.
            done = ask(modprobe, "--", name)
            equal((done.returncode, done.stderr), (0, ""), f"modprobe {name}")
            equal(which(), ["rlvs"], f"what is loaded after modprobe {name}")


def test_without_the_file():
    """Then it is ip_vs."""
    unload()
    with installed("") as modprobe:
        done = ask(modprobe, "--", "ip_vs")
        equal((done.returncode, done.stderr), (0, ""), "modprobe ip_vs")
        equal(which(), ["ip_vs"], "what is loaded")
    unload()


@each(("ipvsadm -Ln", "genl ctrl get name IPVS"))
def test_a_request_for_the_family(command):
    """The kernel itself asks for the module then."""
    unload()
    with installed(CONFIG.read_text(encoding="ascii")):
        done = ask(*command.split())
    equal((done.returncode, done.stderr), (0, ""), command)
    equal(which(), ["rlvs"], "what is loaded")


def test_every_scheduler_of_ip_vs_is_named():
    """One that is not would load ip_vs."""
    text = CONFIG.read_text(encoding="ascii")
    folder = Path("/lib/modules") / os.uname().release
    names = sorted(path.name.partition(".")[0] for path in folder.resolve().rglob("ip_vs_*.ko*"))
    check(len(names) > 10, f"the modules of ip_vs: {names}")
    # What is not rlvs's: protocols of their own.
    missing = [name for name in names if f"alias {name} rlvs\n" not in text]
    equal(missing, ["ip_vs_ftp", "ip_vs_pe_sip"], "modules of ip_vs that are not named")


def test_rlvs_is_back():
    """For the tests after this one."""
    unload()
    kernel.insert()
    equal(Lab().services(), [], "services")
