# SPDX-License-Identifier: GPL-2.0
"""The system calls of a program: how it has asked ip_vs."""

import re
import tempfile
from pathlib import Path

from lib.ipvs import Ipvs
from lib.ktap import check, equal

KIND = re.compile(r"nlmsg_type=(\w+)")
OPTION = re.compile(r"[gs]etsockopt\(\d+, (?:0x0|0|0xff|255), (\w+)")
IP_VS_OPTIONS = range(1152, 1200)


class Trace:
    """A trace that a program leaves, which `words` before its own start."""

    def __init__(self):
        self._file = tempfile.NamedTemporaryFile(prefix="strace")
        # Numbers instead of names, as those of ip_vs have none.
        self.words = ("strace", "-f", "--seccomp-bpf", "-X", "raw", "-o", self._file.name, "-e",
                      "trace=sendmsg,sendto,getsockopt,setsockopt,execve")

    def only_the_family(self, namespace):
        """Checks that it sent messages of the family, used no socket options of ip_vs, and asked
        for no module."""
        text = Path(self._file.name).read_text(encoding="utf-8", errors="replace")
        calls = text.splitlines()
        sent = {int(kind, 0) for call in calls if "send" in call for kind in KIND.findall(call)}
        check(Ipvs(namespace).family in sent, f"no message of the family among the kinds {sent}")
        equal([call for call in calls if (found := OPTION.search(call))
               and int(found[1], 0) in IP_VS_OPTIONS], [], "socket options of ip_vs")
        equal([call for call in calls if "execve" in call and "modprobe" in call], [],
              "modules that it asked for")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()
