#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Writes the tables (results.rst) and plots (*.svg) of what `make bench` has measured.

usage: report.py RESULT.json FOLDER
"""

import csv
import io
import json
import pathlib
import sys

import plots
from figures import TITLES, groups, split, text
from results import KINDS, spread

HEAD = """\
.. SPDX-License-Identifier: GPL-2.0
.. Written by make bench-report; changes here are lost.

=======
Results
=======

How these were measured, and how to read them: `index.rst <index.rst>`_. Times mean little, they
are of User Mode Linux on one machine; what compares are the numbers of one table.
"""


def underlined(title, line):
    return f"\n{title}\n{line * len(title)}\n"


def table(rows, widths=None):
    """A table whose first row is its head."""
    lines = [".. csv-table::", "   :header-rows: 1"]
    if widths:
        lines.append("   :widths: " + " ".join(map(str, widths)))
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return "\n" + "\n".join([*lines, "", *("   " + line for line in
                                           buffer.getvalue().splitlines())]) + "\n"


def verdict(target):
    """A target, what was reached, and whether that is enough."""
    sign = "<=" if KINDS[target["kind"]] == "most" else ">="
    word = {True: "met", False: "**missed**", None: "lost in the noise"}[target["met"]]
    value = text(target["value"])
    if target.get("fastest") is not None:
        value += f" ({text(target['fastest'])} by the fastest)"
    return f"{target['text']}: {value} {sign} {target['limit']:g}, {word}"


def measure_rows(measure):
    """A row for each contender."""
    for contender, values in measure.samples.items():
        multiple = ""
        if measure.is_compared and contender != "direct":
            multiple = text(measure.multiple(contender))
        yield [measure.title, measure.name, contender, f"{text(measure.median(contender))} {measure.unit}",
               f"{spread(values):.1%}" if len(values) > 1 else "", multiple,
               "; ".join(map(verdict, measure.targets_of(contender)))]


def curve_rows(curves):
    """A row for each curve and contender, a column for each size."""
    sizes = sorted({size for points in curves.values() for size in points})
    yield ["", "contender", *(f"{size:,}" for size in sizes), "unit"]
    for name, points in curves.items():
        unit = next(iter(points.values())).unit
        contenders = dict.fromkeys(c for measure in points.values() for c in measure.contenders)
        for contender in contenders:
            cells = (points[size].median(contender)
                     if size in points and contender in points[size].samples else None
                     for size in sizes)
            yield [name, contender, *("" if cell is None else text(cell) for cell in cells), unit]


def curve_targets(curves):
    measures = [measure for points in curves.values() for measure in points.values()]
    rows = [[measure.title, target["contender"], verdict(target)]
            for measure in measures for target in measure.targets]
    return table([["measure", "contender", "target"], *rows]) if rows else ""


def section(group, measures, pictures):
    parts = [underlined(TITLES.get(group, group), "=")]
    parts += [f"\n.. image:: {picture}\n   :alt: {TITLES.get(group, group)}\n"
              for picture in pictures]
    curves, others = split(measures)
    if others:
        head = ["measure", "of", "contender", "median", "spread", "of ip_vs's cost", "target"]
        rows = [row for measure in others for row in measure_rows(measure)]
        parts.append(table([head, *rows], [25, 12, 12, 10, 8, 10, 25]))
    if curves:
        parts += [table(list(curve_rows(curves))), curve_targets(curves)]
    return "".join(parts)


def about(data):
    lines = [f":Kernel: {data['kernel']}, User Mode Linux", f":Processor: {data['processor']}",
             f":Rounds: {data['rounds']}, the {'full' if data['full'] else 'quick'} form",
             f":Noise: {data['noise']}"]
    notes = "".join(f"- {note}\n" for note in data.get("notes", []))
    targets = [target for one in data["measures"] for target in one["targets"]]
    met = [target["met"] for target in targets]
    lines.append(f":Targets: {met.count(True)} met, {met.count(False)} missed, "
                 f"{met.count(None)} lost in the noise")
    return "\n" + "\n".join(lines) + "\n" + (f"\n{notes}" if notes else "")


def main(path, folder):
    data = json.loads(pathlib.Path(path).read_text(encoding="ascii"))
    if data["version"] != 1:
        sys.exit(f"{path}: version {data['version']} is not known here")
    folder = pathlib.Path(folder)
    # Of measures that are not there any more none must stay; make compare has a plot here too.
    for old in folder.glob("*.svg"):
        if old.name != "workers.svg":
            old.unlink()
    parts = [HEAD, about(data)]
    for group, measures in groups(data).items():
        parts.append(section(group, measures, plots.draw(group, measures, folder)))
    (folder / "results.rst").write_text("".join(parts), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
