# SPDX-License-Identifier: GPL-2.0
"""Modules as `make modules_install` leaves them, in a folder of the test's own.

modprobe(8) is told to look there, by the kernel too when it asks for a module.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from lib import kernel
from lib.ktap import seconds
from lib.lab import Lab
from lib.like_ip_vs import unload_ip_vs

CONFIG = Path(__file__).resolve().parents[2] / "tools/modprobe/rlvs.conf"
HELPER = Path("/proc/sys/kernel/modprobe")
OTHERS = ("ip_vs", "ip_vs_rr", "ip_vs_wlc", "ip_vs_mh")


def needed(name):
    """Returns the files of a module of the kernel's own, and of those that it needs."""
    done = subprocess.run(["modprobe", "--show-depends", name], capture_output=True, text=True,
                          check=True)
    words = [line.split() for line in done.stdout.splitlines()]
    return [line[1] for line in words if line[0] == "insmod"]


@contextlib.contextmanager
def installed(config):
    """Puts rlvs and ip_vs among the modules of modprobe, with this configuration; the value
    is the command that runs it."""
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
    """Unloads both of them."""
    if kernel.loaded("ip_vs"):
        unload_ip_vs(Lab())
    if kernel.loaded():
        kernel.remove()


def which():
    """Returns which of them are loaded."""
    return [name for name in ("rlvs", "ip_vs") if kernel.loaded(name)]


def ask(*command, **options):
    """Runs a program."""
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds(30),
                          check=False, **options)
