# SPDX-License-Identifier: GPL-2.0
"""What can be said of the numbers in result.json, for the report's tables and plots."""

import re
import statistics

TITLES = {
    "established": "Packets of established flows",
    "connection": "New connections, within the kernel",
    "whole": "Whole connections, from one user space to another",
    "tax": "Traffic that is no service's",
    "bulk": "Throughput of a stream",
    "memory": "Memory",
    "scale": "Scale",
    "picks": "First packets, by scheduler and number of destinations",
    "processors": "Two processors",
    "host": "Decisions of the core, without a kernel",
    "footprint": "The module",
}
_CURVE = re.compile(r"(.+)\.(\d+)")


class Measure:
    """A measure of result.json."""

    def __init__(self, data):
        self.id, self.title, self.unit = data["id"], data["title"], data["unit"]
        self.samples, self.targets = data["samples"], data["targets"]
        self.group, _, self.name = self.id.partition(".")

    @property
    def contenders(self):
        return list(self.samples)

    def median(self, contender):
        return statistics.median(self.samples[contender])

    def targets_of(self, contender):
        return [target for target in self.targets if target["contender"] == contender]

    @property
    def is_compared(self):
        """Whether costs over direct are compared with that of ip_vs."""
        return {"direct", "ip_vs"} <= set(self.samples) and self.unit in ("ns", "us", "ms", "s")

    def multiple(self, contender, at=None):
        """A contender's cost over direct as a multiple of ip_vs's; of its median or another value.
        None where ip_vs costs nothing that can be told from noise."""
        direct = self.median("direct")
        peer = self.median("ip_vs") - direct
        if peer <= 0:
            return None
        return ((self.median(contender) if at is None else at) - direct) / peer

    def quartiles(self, contender):
        values = self.samples[contender]
        if len(values) < 2:
            return values[0], values[0]
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return low, high


def groups(data):
    """The measures of each group: those in TITLES first and in that order."""
    found = {group: [] for group in TITLES}
    for one in data["measures"]:
        measure = Measure(one)
        found.setdefault(measure.group, []).append(measure)
    return {group: measures for group, measures in found.items() if measures}


def split(measures):
    """(curves, others): a curve is measures whose names differ in a number at the end only, by
    that number, under the rest of the name."""
    curves = {}
    for measure in measures:
        if match := _CURVE.fullmatch(measure.id):
            curves.setdefault(match[1], {})[int(match[2])] = measure
    curves = {name: dict(sorted(points.items())) for name, points in curves.items()
              if len(points) > 1}
    on_curves = {measure.id for points in curves.values() for measure in points.values()}
    return curves, [measure for measure in measures if measure.id not in on_curves]


def text(value):
    """A number for people."""
    if value is None:
        return "?"
    if value and abs(value) < 0.005:
        return "0.00"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
