# SPDX-License-Identifier: GPL-2.0
"""tools/modprobe/rlvs.conf: who asks for ip_vs gets rlvs.

The modules are in a folder of the test's own, where modprobe(8) is told to look, as it would in
/lib/modules after `make modules_install`; the kernel's requests go the same way.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from lib import kernel
from lib.ktap import check, each, equal, seconds
from lib.lab import Lab
from lib.like_ip_vs import unload_ip_vs

WITHOUT_MODULE = True
PLAIN_ONLY = "what it is about is not the module's code"

CONFIG = Path(__file__).resolve().parents[1] / "tools/modprobe/rlvs.conf"
HELPER = Path("/proc/sys/kernel/modprobe")
OTHERS = ("ip_vs", "ip_vs_rr", "ip_vs_wlc", "ip_vs_mh")


def needed(name):
    """The files of a module of the kernel's own, and of those that it needs."""
    done = subprocess.run(["modprobe", "--show-depends", name], capture_output=True, text=True,
                          check=True)
    words = [line.split() for line in done.stdout.splitlines()]
    return [line[1] for line in words if line[0] == "insmod"]


@contextlib.contextmanager
def installed(config):
    """rlvs and ip_vs among the modules of modprobe, and this configuration; the command to ask
    it by."""
    with tempfile.TemporaryDirectory(prefix="modules") as base:
        folder = Path(base) / "lib/modules" / os.uname().release
        folder.mkdir(parents=True)
        depends = subprocess.run(["modinfo", "-F", "depends", kernel.module_path()],
                                 capture_output=True, text=True, check=True).stdout.strip()
        files = {kernel.module_path()}
        for name in (*OTHERS, *filter(None, depends.split(","))):
            files.update(needed(name))
        for file in files:
            shutil.copy(file, folder)
        for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            (folder / name).touch()
        subprocess.run(["depmod", "-b", base], check=True, timeout=seconds(30))
        chosen = Path(base) / "modprobe.conf"
        chosen.write_text(config, encoding="ascii")
        script = Path(base) / "modprobe"
        script.write_text(f'#!/bin/sh\nexec /sbin/modprobe -d {base} -C {chosen} "$@"\n',
                          encoding="ascii")
        script.chmod(0o755)
        before = HELPER.read_text(encoding="ascii")
        HELPER.write_text(str(script), encoding="ascii")
        try:
            yield str(script)
        finally:
            HELPER.write_text(before, encoding="ascii")


def unload():
    """Neither of them is there."""
    if kernel.loaded("ip_vs"):
        unload_ip_vs(Lab())
    if kernel.loaded():
        kernel.remove()


def which():
    """Which of them are."""
    return [name for name in ("rlvs", "ip_vs") if kernel.loaded(name)]


def ask(*command):
    """Runs a program."""
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds(30),
                          check=False)


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
