# SPDX-License-Identifier: GPL-2.0
"""Samples of the benchmarks, what is aimed at, and the table and JSON of both."""

import json
import statistics

# What a target divides by what, and whether the limit is the most or the least of it. `other` is
# the measure that it is compared with where that is not the same one.
KINDS = {
    "over_direct_of_ip_vs": "most",     # (x - direct) / (ip_vs - direct)
    "over_direct_of_other": "most",     # (x - direct) / the same in another measure
    "of_ip_vs": "most",                 # x / ip_vs
    "of_direct": "least",               # x / direct: of a throughput
    "of_other": "least",                # x / x in another measure: of a throughput
    "at_most": "most",
    "at_least": "least",
}


def spread(values):
    """Half of what lies between the first and the third quartile, of the median."""
    middle = statistics.median(values)
    if len(values) < 2 or not middle:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / 2 / abs(middle)


class Results:
    """What was measured of whom."""

    def __init__(self, **about):
        self.about = {"version": 1, **about, "notes": []}
        self.earlier = []
        self.measures = {}
        self.order = []

    def read(self, path):
        """What another run has left, which table() does not show again."""
        with open(path, encoding="ascii") as file:
            found = json.load(file)
        self.earlier = found.pop("measures")
        self.about = found

    def noise(self):
        """How much the same packets vary without any balancer."""
        spreads = [spread(values) for entry in [*self.earlier, *self.measures.values()]
                   for values in [entry["samples"].get("direct", [])]
                   if len(values) > 1 and entry["unit"] == "ns"]
        if not spreads:
            return "nothing was measured without a balancer"
        return (f"without a balancer, half the distance of the quartiles was"
                f" {statistics.median(spreads):.1%} of the median, at most {max(spreads):.1%}")

    def note(self, text):
        """Something that a reader of the numbers has to know, such as what was not measured."""
        if text not in self.about["notes"]:
            self.about["notes"].append(text)
            print(f"# {text}", flush=True)

    def add(self, measure, title, unit, contender, value):
        """One sample."""
        entry = self.measures.setdefault(
            measure, {"id": measure, "title": title, "unit": unit, "samples": {}, "targets": []})
        entry["samples"].setdefault(contender, []).append(value)

    def target(self, measure, contender, text, kind, limit, other=None):
        """What a contender is to reach; once for each measure."""
        assert kind in KINDS, kind
        self.order.append((measure, contender, text, kind, limit, other))

    def median(self, measure, contender):
        return statistics.median(self.measures[measure]["samples"][contender])

    def _value(self, measure, contender, kind, other, of=statistics.median):
        """What a target is about; `of` is what stands for the samples of each."""
        def one(named, who):
            return of(self.measures[named]["samples"][who])

        def over_direct(named, who):
            return one(named, who) - one(named, "direct")

        if kind == "over_direct_of_ip_vs":
            top, below = over_direct(measure, contender), over_direct(measure, "ip_vs")
        elif kind == "over_direct_of_other":
            top, below = over_direct(measure, contender), over_direct(other, contender)
        elif kind in ("of_ip_vs", "of_direct"):
            top, below = one(measure, contender), one(measure, kind.removeprefix("of_"))
        elif kind == "of_other":
            top, below = one(measure, contender), one(other, contender)
        else:
            return one(measure, contender)
        # What is lost in the noise has no multiple.
        return top / below if below > self._noise(measure, kind, other) else None

    def _of_fastest(self, measure, contender, kind, other):
        """The same of the fastest samples, for costs: what disturbs only makes them larger."""
        if not kind.startswith("over_direct"):
            return None
        return self._value(measure, contender, kind, other, of=min)

    def _noise(self, measure, kind, other):
        """How much a difference of two medians may be by chance, roughly."""
        if not kind.startswith("over_direct"):
            return 0
        named = other or measure
        return sum(spread(values) * statistics.median(values)
                   for contender, values in self.measures[named]["samples"].items()
                   if contender in ("direct", "ip_vs"))

    def finish(self):
        """Compares with what is aimed at."""
        for measure, contender, text, kind, limit, other in self.order:
            value = self._value(measure, contender, kind, other)
            most = KINDS[kind] == "most"
            met = None if value is None else value <= limit if most else value >= limit
            self.measures[measure]["targets"].append(
                {"contender": contender, "text": text, "kind": kind, "limit": limit,
                 "other": other, "value": value, "met": met,
                 "fastest": self._of_fastest(measure, contender, kind, other)})
        self.order = []

    def write(self, path):
        with open(path, "w", encoding="ascii") as file:
            json.dump({**self.about, "measures": [*self.earlier, *self.measures.values()]}, file, indent=1)

    def table(self):
        """Lines for people; finish() comes first."""
        if not self.measures:
            return
        yield f"{'measure':<34} {'contender':<21} {'median':>12} {'spread':>7}  target"
        for name, entry in self.measures.items():
            for contender, values in entry["samples"].items():
                aims = "; ".join(map(_aim, (t for t in entry["targets"]
                                            if t["contender"] == contender)))
                middle = f"{_number(statistics.median(values))} {entry['unit']}"
                yield (f"{name:<34} {contender:<21} {middle:>12} {spread(values):>6.1%}"
                       f"  {aims}").rstrip()


def _number(value):
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _aim(target):
    sign = "<=" if KINDS[target["kind"]] == "most" else ">="
    word = {True: "met", False: "MISSED", None: "lost in the noise"}[target["met"]]
    value = "?" if target["value"] is None else f"{target['value']:.3g}"
    if target["fastest"] is not None:
        value += f" ({target['fastest']:.3g} by the fastest)"
    return f"{target['text']}: {value} {sign} {target['limit']:g} {word}"
