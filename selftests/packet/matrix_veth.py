# SPDX-License-Identifier: GPL-2.0
"""Checksums and contents are right over a veth pair, with each setting of its offloads."""

from lib import matrix
from lib.matrix import make_lab  # pylint: disable=unused-import; the runner calls it

LIMIT = 600


def test_every_setting(lab):
    """With checksum offload on and off, gso and gro on and off, csum_complete 0 and 1."""
    matrix.run(lab)
