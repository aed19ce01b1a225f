# SPDX-License-Identifier: GPL-2.0
"""Whether doc_lists.py finds what it is to find, in a project that has one mistake at a time."""

import contextlib
import io
import pathlib
import tempfile
import unittest

import doc_lists

FILES = {
    "rust/module/pool.rs": """\
/// Of a namespace.
pub(crate) struct Pool {
    name: u32,
    /// How many.
    /// Guarded by: atomic; written under the config mutex.
    #[pin]
    count: Atomic<u32>,
    /// Guarded by: itself, the picker lock.
    pub(crate) picker: SpinLockBh<u32>,
}
""",
    "rust/core/count.rs": """\
pub struct Count<W> {
    /// Guarded by: atomic; any packet.
    word: W,
}
""",
    "rust/kext/bh.rs": """\
//! Bottom halves,
//! and locks.
//!
//! Upstream: as [`Lock`] of a series;
//! not merged.

fn lock() {
    // SAFETY: As in `lock`.
}
""",
    "rust/helpers/netns.c": """\
static const u32 rlvs_constant = 1;
static bool rlvs_ready;
static int rlvs_is_ready(void)
""",
    "Documentation/locking.rst": """\

Fields
======

.. list-table::

   * - field
     - guarded by
   * - ``Pool.count``
     - atomic; written
       under the config mutex, before it is
       published
   * - ``Pool.picker``
     - itself, the picker lock
   * - ``Count.word``
     - atomic; any packet
   * - ``rlvs_ready``
     - the hooks mutex

What is freed, and when
=======================

``Pool`` is in ``module/pool.rs``.
""",
    "Documentation/netlink/specs/rlvs.yaml": """\
attribute-sets:
  -
    name: counters
    attributes:
      -
        name: entries
        type: u64
      -
        name: table-full
  -
    name: other
    attributes:
      -
        name: number
""",
    "Documentation/usage.rst": """\

Counters
========

.. list-table::

   * - ``entries``
     - entries
   * - ``table_full``
     - drops
""",
    "Kbuild": """\
rlvs_needs := CONFIG_SYSCTL
rlvs_needs += CONFIG_IPV6
""",
    "Documentation/building.rst": """\

For your own kernel
===================

``CONFIG_SYSCTL``, ``CONFIG_IPV6``
""",
    "Documentation/kernel-crate-gaps.rst":
        f"Gaps\n\n{doc_lists.BEGIN}{doc_lists.END}\nThe end.\n",
}


class Lists(unittest.TestCase):
    def said(self, path=None, old="", new=""):
        """What is said when `old` in a file of the project is `new`, with the status in front."""
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in FILES.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text, encoding="utf-8")
            with contextlib.redirect_stdout(io.StringIO()) as output:
                doc_lists.main(["--write", folder])
                self.assertEqual(output.getvalue(), "")
                if path:
                    text = (root / path).read_text(encoding="utf-8")
                    self.assertIn(old, text)
                    (root / path).write_text(text.replace(old, new, 1), encoding="utf-8")
                status = doc_lists.main([folder])
        return f"{status}: {output.getvalue().strip()}"

    def test_what_is_right(self):
        self.assertEqual(self.said(), "0: ")

    def test_shared_fields_without_a_line(self):
        line = "    /// Guarded by: atomic; written under the config mutex.\n"
        self.assertEqual(self.said("rust/module/pool.rs", line),
                         "1: rust/module/pool.rs: Pool.count is shared and has no line `Guarded by:`")
        self.assertIn("Count.word is shared",
                      self.said("rust/core/count.rs", "    /// Guarded by: atomic; any packet.\n"))

    def test_new_fields(self):
        new = "    /// Guarded by: RCU.\n    old: Rcu<u32>,\n    name"
        self.assertEqual(self.said("rust/module/pool.rs", "    name", new),
                         "1: rust/module/pool.rs: Pool.old has no row in locking.rst")
        self.assertIn("rlvs_more has no row", self.said(
            "rust/helpers/netns.c", "static bool", "static DEFINE_PER_CPU(int, rlvs_more);\nstatic bool"))

    def test_fields_that_are_gone(self):
        self.assertIn("no field or variable Pool.gone is guarded", self.said(
            "Documentation/locking.rst", "``Pool.count``", "``Pool.count``, ``.gone``"))
        self.assertIn("no field or variable rlvs_ready is guarded", self.said(
            "rust/helpers/netns.c", "static bool rlvs_ready;"))

    def test_another_guard(self):
        self.assertEqual(self.said("rust/module/pool.rs", "the picker lock", "the stats lock"),
                         '1: locking.rst: the row of Pool.picker does not begin with '
                         '"itself, the stats lock"')

    def test_upstream(self):
        self.assertIn("rust/kext/bh.rs: no line `Upstream:`",
                      self.said("rust/kext/bh.rs", "Upstream", "Mirrors"))
        self.assertIn("the table is not that of rust/kext", self.said(
            "rust/kext/bh.rs", "not merged", "merged"))
        self.assertIn("the table is not that of rust/kext", self.said(
            "Documentation/kernel-crate-gaps.rst", "as ``Lock`` of a series; not merged.", "none."))

    def test_safety_comments(self):
        self.assertEqual(self.said("rust/kext/bh.rs", "in `lock`", "in `unlock`"),
                         "1: rust/kext/bh.rs: a SAFETY comment refers to `unlock`, which is not there")

    def test_counters(self):
        for path, name in (("usage.rst", "table_full"), ("netlink/specs/rlvs.yaml", "entries")):
            self.assertEqual(
                self.said(f"Documentation/{path}", name, "other"),
                "1: " + "\n".join(f"usage.rst: the counter {one} is not in both the table and the "
                                  "specification" for one in sorted([name, "other"])))

    def test_options(self):
        self.assertEqual(self.said("Kbuild", "IPV6", "IPV6 CONFIG_MORE"),
                         "1: building.rst: CONFIG_MORE, which Kbuild asks for, is missing")

    def test_files_that_are_gone(self):
        self.assertEqual(self.said("Documentation/locking.rst", "module/pool.rs", "services.rs"),
                         "1: locking.rst: there is no file services.rs")


if __name__ == "__main__":
    unittest.main()
