#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""The tables of `make compare`: prints them, reads them again, and writes the documentation.

usage: worker_tables.py [--check] LOG [ROOT]

LOG is the output of selftests/compare, or Documentation/performance/workers.rst, which has the same
tables. Writes that file, the plot beside it and the small table of README.md; with --check nothing
is written, and the exit status is 1 if something would be.
"""

import html
import math
import pathlib
import re
import sys

# What of a connection's fates is a failure: the other columns are rates, times and retransmissions.
FAILED = ("refused", "reset in queue", "reset after accept", "connect timed out", "no answer",
          "other error")
BEGIN, END = "<!-- Written by make compare -->\n", "<!-- End of what is written -->\n"
HEAD = """\
.. SPDX-License-Identifier: GPL-2.0
.. Written by make compare (selftests/lib/worker_tables.py); changes here are lost.

===================
When a worker fails
===================

``make compare`` runs eight worker processes and 64 clients that open connections without pause,
and disturbs the workers: with rlvs, with workers that share a port by ``SO_REUSEPORT``, with a rule
of nftables, with ip_vs and with HAProxy, one after another in the same VM. Nothing informs the
balancers of what happens. A worker takes 20 ms for each connection, and its accept queue holds 33.

:Kill -9 and restart: a worker is killed, and started again two seconds later
:Rolling restart: all workers are ended by SIGTERM and started again, one after another
:SIGSTOP: a worker is stopped for ten seconds
:One worker 10 times slower: it takes 200 ms for each connection

.. image:: workers.svg
   :alt: Connections that failed, by scenario and contender

- *Refused*: the client was sent to a port where no process listens.
- *Reset in queue*: the connection was made, and its worker ended before it accepted it. The kernel
  resets what waits in the accept queue of a socket that is closed, whatever balances, unless another
  worker inherits it: one that listens on the same port, with ``net.ipv4.tcp_migrate_req`` 1. With
  rlvs a destination may be such a pair.
- *Reset after accept*: the worker had accepted it.
- *SYN sent again*: the accept queue was full, and the client waited for a second. It gives up after
  three: *connect timed out*.
- Times are those of the machine, which may be emulated: compare the rows of one table only.

ip_vs sends clients to the ports of dead workers until its configuration is changed, and ``wlc`` all
of them, as they have the fewest connections. Rules and shared ports go on giving a worker that
stands still its share.

How the workers end and what is counted: ``selftests/lib/workers.py``, ``selftests/lib/disturb.py``;
how each contender is set up: ``selftests/lib/contenders.py``. Words choose contenders, and write
nothing here: ``make vm CMD='selftests/compare rlvs HAProxy'``.

"""


def table(title, rows):
    """A section with a table; the first row is its head."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]

    def line(cells):
        first, *rest = zip(cells, widths)
        return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)])

    rule = "  ".join("=" * width for width in widths)
    return "\n".join([title, "=" * len(title), "", rule, line(rows[0]), rule,
                      *map(line, rows[1:]), rule, ""])


def read(text):
    """The line that begins with `:Run:`, and {title: rows} of the tables in a text."""
    run = re.search(r"^:Run: .*(\n  .*)*", text, re.MULTILINE)
    tables = {}
    for title, body in re.findall(r"^(.+)\n=+\n\n(=+  .*\n(?:.+\n)+)", text, re.MULTILINE):
        lines = [line for line in body.splitlines() if not line.startswith("==")]
        tables[title] = [re.split(r"\s{2,}", line.strip()) for line in lines]
    if not run or not tables:
        sys.exit("no results of a whole run of selftests/compare")
    return run[0], tables


def failures(tables):
    """The disturbances, and {contender: connections that failed in each}."""
    disturbed = {title: rows for title, rows in tables.items() if title != "Undisturbed"}
    counts = {}
    for head, *rows in disturbed.values():
        for row in rows:
            values = dict(zip(head, row))
            counts.setdefault(row[0], []).append(sum(int(values[name]) for name in FAILED))
    return list(disturbed), counts


def summary(tables):
    """The small table, in Markdown."""
    titles, counts = failures(tables)
    rows = [["connections that failed", *titles], *([name, *map(str, numbers)]
                                                    for name, numbers in counts.items())]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---|" + "---:|" * len(titles), *lines[1:]]) + "\n"


def plot(tables):
    """The small table as bars, in SVG: lengths are logarithms, as one number is in thousands."""
    titles, counts = failures(tables)
    most = max(max(numbers) for numbers in counts.values())
    step, left, full = 16, 250, 130
    height = 40 + step * len(counts)
    shapes = []

    def words(x, y, text, style=""):
        shapes.append(f'<text x="{x}" y="{y}"{style}>{html.escape(text)}</text>')

    for row, name in enumerate(counts):
        words(left - 8, 42 + step * row, name, ' text-anchor="end"')
    for column, title in enumerate(titles):
        x = left + column * (full + 50)
        words(x, 20, title, ' font-weight="bold"')
        for row, (name, numbers) in enumerate(counts.items()):
            number, y = numbers[column], 42 + step * row
            length = full * math.log1p(number) / math.log1p(max(most, 1))
            color = "#2a6f97" if name.startswith("rlvs") else "#b0b0b0"
            shapes.append(f'<rect x="{x}" y="{y - 10}" width="{length:.1f}" height="12" '
                          f'fill="{color}"/>')
            words(f"{x + length + 4:.1f}", y, str(number))
    width = left + len(titles) * (full + 50)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="11">',
        "<title>Connections that failed (logarithmic)</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>', *shapes, "</svg>", ""])


def documents(root, text):
    """{path: what it is to have} by the results in a text."""
    run, tables = read(text)
    folder = root / "Documentation/performance"
    sections = "\n".join(table(title, rows) for title, rows in tables.items())
    readme = root / "README.md"
    before, rest = readme.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    return {folder / "workers.rst": f"{HEAD}{run}\n\n{sections}",
            folder / "workers.svg": plot(tables),
            readme: before + BEGIN + summary(tables) + END + after}


def main(arguments):
    log, *root = [one for one in arguments if one != "--check"]
    root = pathlib.Path(*root or [pathlib.Path(__file__).resolve().parents[2]])
    # A console ends its lines in its own way.
    text = pathlib.Path(log).read_text(encoding="utf-8").replace("\r\n", "\n")
    status = 0
    for path, right in documents(root, text).items():
        if "--check" not in arguments:
            path.write_text(right, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != right:
            print(f"{path.relative_to(root)} is not what {log} says: "
                  "run selftests/lib/worker_tables.py on it")
            status = 1
    return status


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
