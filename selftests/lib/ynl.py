# SPDX-License-Identifier: GPL-2.0
"""The kernel's own netlink client, tools/net/ynl/pyynl/cli.py."""

import os
import subprocess
from pathlib import Path

from lib.ktap import Failure

SPECIFICATION = Path(__file__).resolve().parents[2] / "Documentation/netlink/specs/rlvs.yaml"
CLIENT = "tools/net/ynl/pyynl/cli.py"


def kernel_source():
    """Returns the kernel's source tree, from $KDIR, which may be a build tree apart from it."""
    kdir = os.environ.get("KDIR", "")
    for path in (f"{kdir}/source", kdir):
        if kdir and os.path.exists(f"{path}/{CLIENT}"):
            return path
    return None


def run_ynl(lab, source, *arguments):
    """Runs the client with our specification on lb. It needs PyYAML."""
    try:
        return lab.lb.run("/usr/bin/python3", f"{source}/{CLIENT}", "--no-schema",
                          "--spec", str(SPECIFICATION), *arguments, limit=60)
    except subprocess.TimeoutExpired as late:
        raise Failure(f"ynl did not finish: {late}") from None
