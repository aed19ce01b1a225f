# SPDX-License-Identifier: GPL-2.0
"""Plants what selftests/vm/imports.py has to find."""

import pathlib
import tempfile
import unittest

import imports


class Planted(unittest.TestCase):
    def complaints(self, files, has_rooms=True):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = pathlib.Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            crate = imports.Crate(pathlib.Path(folder, "rlvs_main.rs"))
            return "\n".join(imports.complaints(crate, has_rooms)).replace(f"{folder}/", "")

    def test_what_runs_downwards_is_right(self):
        files = {
            "rlvs_main.rs": "mod packet;\nmod service;\nuse packet::Reply;",
            "packet.rs": "use crate::{service::{self, Pool}};\npub struct Reply;",
            "service.rs": "pub struct Pool; // as crate::packet has it\n",
        }
        self.assertEqual(self.complaints(files), "")

    def test_an_import_that_runs_upwards(self):
        files = {
            "rlvs_main.rs": "mod packet;\nmod service;",
            "packet.rs": "pub struct Reply;",
            "service.rs": "fn of() -> crate::packet::Reply { todo!() }",
        }
        self.assertEqual(self.complaints(files), "service.rs imports upwards: packet.rs")

    def test_a_circle_of_a_parent_and_its_child(self):
        files = {
            "rlvs_main.rs": "mod packet;",
            "packet.rs": "mod read;\npub struct Packet;\nfn parse() { read::all() }",
            "packet/read.rs": "use super::Packet;\npub fn all() {}",
        }
        self.assertEqual(
            self.complaints(files, has_rooms=False),
            "2 files import each other in a circle:\n"
            "    packet.rs imports packet/read.rs\n"
            "    packet/read.rs imports packet.rs",
        )

    def test_a_circle_through_three_files(self):
        files = {
            "rlvs_main.rs": "mod a;\nmod b;\nmod c;",
            "a.rs": "use crate::b::B as Other;\npub struct A;",
            "b.rs": "use crate::c;\npub struct B;",
            "c.rs": "pub(crate) fn a(_: super::a::A) {}",
        }
        self.assertIn("3 files import each other", self.complaints(files, has_rooms=False))

    def test_a_file_without_a_room(self):
        files = {"rlvs_main.rs": "mod attic;", "attic.rs": ""}
        self.assertIn("attic.rs: its room is not in the list", self.complaints(files))

    def test_tests_may_use_what_they_test(self):
        files = {
            "rlvs_main.rs": "mod packet;",
            "packet.rs": "pub struct Packet;\n#[cfg(test)]\nmod tests { use super::*; }",
        }
        self.assertEqual(self.complaints(files), "")


if __name__ == "__main__":
    unittest.main()
