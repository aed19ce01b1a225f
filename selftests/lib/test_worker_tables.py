# SPDX-License-Identifier: GPL-2.0
"""What is made of the output of selftests/compare, without a run of it."""

import contextlib
import io
import pathlib
import tempfile
import unittest
import xml.etree.ElementTree

import worker_tables

COLUMNS = ["contender", "answered/s", *worker_tables.FAILED, "SYN sent again", "p99 ms"]
RESULTS = {
    "Undisturbed": {"rlvs nat p2c": [0] * 6, "SO_REUSEPORT, <pairs>": [0] * 6},
    "Kill -9 and restart": {"rlvs nat p2c": [0, 5, 0, 0, 0, 0],
                            "SO_REUSEPORT, <pairs>": [1, 20, 300, 4000, 50000, 600000]},
    "SIGSTOP": {"rlvs nat p2c": [0] * 6, "SO_REUSEPORT, <pairs>": [0, 0, 0, 74, 0, 0]},
}
README = f"# Title\n\n{worker_tables.BEGIN}old\n{worker_tables.END}\nThe end.\n"
RUN = ":Run: Linux 7.2, 2 processors, 6.5 minutes;\n  the second row is of another run"


def tables():
    """The results as tables."""
    return {title: [COLUMNS, *([name, "274", *map(str, counts), "9", "1.5"]
                               for name, counts in rows.items())]
            for title, rows in RESULTS.items()}


def log():
    """The results as selftests/compare prints them, on a console."""
    text = "\n".join(["rlvs nat p2c, SIGSTOP: answered/s 274", "", RUN, "",
                      *(worker_tables.table(title, rows) for title, rows in tables().items())])
    return text.replace("\n", "\r\n")


class Tables(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.documents = self.root / "Documentation/performance"
        self.documents.mkdir(parents=True)
        (self.root / "README.md").write_text(README, encoding="utf-8")
        (self.root / "log").write_text(log(), encoding="utf-8", newline="")

    def main(self, *arguments):
        """The status, and what is printed."""
        with contextlib.redirect_stdout(io.StringIO()) as output:
            return worker_tables.main([*arguments, str(self.root)]), output.getvalue()

    def write(self):
        self.assertEqual(self.main(str(self.root / "log")), (0, ""))

    def check(self):
        return self.main("--check", str(self.documents / "workers.rst"))

    def test_what_is_printed_is_read_again(self):
        self.assertEqual(worker_tables.read(log().replace("\r", "")), (RUN, tables()))

    def test_the_small_table_adds_what_failed(self):
        self.write()
        readme = (self.root / "README.md").read_text(encoding="utf-8")
        self.assertIn("| connections that failed | Kill -9 and restart | SIGSTOP |\n", readme)
        self.assertIn("| rlvs nat p2c | 5 | 0 |\n", readme)
        self.assertIn("| SO_REUSEPORT, <pairs> | 654321 | 74 |\n", readme)
        self.assertEqual(readme.split("|")[0] + readme.rsplit("|\n", maxsplit=1)[1],
                         README.replace("old\n", ""))

    def test_what_is_written_is_what_its_own_tables_say(self):
        self.write()
        self.assertEqual(self.check(), (0, ""))

    def test_another_number_is_found(self):
        self.write()
        for name, old, new in (("README.md", "| 74 |", "| 0 |"),
                               ("Documentation/performance/workers.svg", ">74<", ">7<"),
                               ("Documentation/performance/workers.rst", "50000", "50001")):
            path = self.root / name
            right = path.read_text(encoding="utf-8")
            self.assertIn(old, right)
            path.write_text(right.replace(old, new, 1), encoding="utf-8")
            status, said = self.check()
            self.assertEqual(status, 1)
            self.assertIn("is not what", said)
            path.write_text(right, encoding="utf-8")

    def test_the_plot_has_a_bar_for_each_number(self):
        self.write()
        plot = xml.etree.ElementTree.parse(self.documents / "workers.svg").getroot()
        bars = plot.findall("{*}rect")[1:]
        self.assertEqual(len(bars), 4)
        widths = [float(bar.get("width")) for bar in bars]
        self.assertEqual([width > 0 for width in widths], [True, True, False, True])
        self.assertEqual(max(widths), widths[1])

    def test_output_without_results_writes_nothing(self):
        (self.root / "log").write_text("error: no such kernel\n", encoding="utf-8")
        with self.assertRaises(SystemExit):
            self.main(str(self.root / "log"))
        self.assertEqual((self.root / "README.md").read_text(encoding="utf-8"), README)
        self.assertFalse((self.documents / "workers.rst").exists())


if __name__ == "__main__":
    unittest.main()
