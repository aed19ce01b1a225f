# SPDX-License-Identifier: GPL-2.0
"""The arithmetic behind the benchmarks' table and report."""

import json
import pathlib
import tempfile
import unittest

import figures
from results import Results, spread


def results(measures):
    """Results of {measure: {contender: samples}}."""
    made = Results(kernel="", processor="", rounds=3, full=False, noise="")
    for measure, samples in measures.items():
        for contender, values in samples.items():
            for value in values:
                made.add(measure, measure, "ns", contender, value)
    return made


def targets(made):
    """(value, met) of each target."""
    made.finish()
    return [(target["value"], target["met"]) for one in made.measures.values()
            for target in one["targets"]]


class Targets(unittest.TestCase):
    COSTS = {"a": {"direct": [100, 98, 102], "rlvs nat": [120, 120, 900], "ip_vs": [140, 141, 138]},
             "b": {"direct": [200], "rlvs nat": [230], "ip_vs": [200]},
             "noisy": {"direct": [100, 20, 200], "rlvs nat": [130], "ip_vs": [140]}}

    def one(self, *target):
        made = results(self.COSTS)
        made.target(*target)
        return targets(made)[0]

    def test_cost_over_direct(self):
        # Medians: 100, 120 and 140.
        self.assertEqual(self.one("a", "rlvs nat", "", "over_direct_of_ip_vs", 0.5), (0.5, True))
        self.assertEqual(self.one("a", "rlvs nat", "", "over_direct_of_ip_vs", 0.4), (0.5, False))

    def test_cost_of_the_fastest(self):
        made = results(self.COSTS)
        made.target("a", "rlvs nat", "", "over_direct_of_ip_vs", 0.5)
        made.target("a", "rlvs nat", "", "of_direct", 1)
        made.finish()
        found = [target["fastest"] for target in made.measures["a"]["targets"]]
        self.assertEqual(found, [(120 - 98) / (138 - 98), None])

    def test_a_peer_that_costs_nothing_has_no_multiple(self):
        self.assertEqual(self.one("b", "rlvs nat", "", "over_direct_of_ip_vs", 0.5), (None, None))

    def test_nor_has_one_whose_cost_may_be_noise(self):
        self.assertEqual(self.one("noisy", "rlvs nat", "", "over_direct_of_ip_vs", 0.5),
                         (None, None))

    def test_cost_of_another_measure(self):
        self.assertEqual(self.one("b", "rlvs nat", "", "over_direct_of_other", 1.5, "a"),
                         (1.5, True))

    def test_throughput_is_at_least(self):
        self.assertEqual(self.one("a", "rlvs nat", "", "of_direct", 1.2), (1.2, True))
        self.assertEqual(self.one("a", "rlvs nat", "", "of_direct", 1.3), (1.2, False))

    def test_numbers_by_themselves(self):
        self.assertEqual(self.one("b", "rlvs nat", "", "at_most", 230), (230, True))
        self.assertEqual(self.one("b", "rlvs nat", "", "at_most", 229), (230, False))
        self.assertEqual(self.one("b", "rlvs nat", "", "at_least", 231), (230, False))

    def test_spread_is_half_of_the_middle_half(self):
        self.assertEqual(spread([100]), 0)
        self.assertAlmostEqual(spread([80, 90, 100, 110, 120]), 0.1)


class Figures(unittest.TestCase):
    def groups(self, measures):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "result.json"
            results(measures).write(path)
            return figures.groups(json.loads(path.read_text(encoding="ascii")))

    def test_groups_are_in_the_order_of_their_titles(self):
        found = self.groups({"new.x": {"a": [1]}, "bulk.x": {"a": [1]}, "tax.x": {"a": [1]}})
        self.assertEqual(list(found), ["tax", "bulk", "new"])

    def test_curves_are_by_size(self):
        found = self.groups({"scale.c.1000": {"a": [1]}, "scale.c.20": {"a": [1]},
                             "scale.d.7": {"a": [1]}, "scale.e": {"a": [1]}})
        curves, others = figures.split(found["scale"])
        self.assertEqual({name: list(points) for name, points in curves.items()},
                         {"scale.c": [20, 1000]})
        self.assertEqual([measure.id for measure in others], ["scale.d.7", "scale.e"])

    def test_multiples(self):
        [measure] = self.groups({"tax.x": Targets.COSTS["a"]})["tax"]
        self.assertTrue(measure.is_compared)
        self.assertEqual(measure.multiple("rlvs nat"), 0.5)
        self.assertEqual(measure.multiple("rlvs nat", 160), 1.5)


if __name__ == "__main__":
    unittest.main()
