# SPDX-License-Identifier: GPL-2.0
"""Plots of the benchmarks, as SVG that is the same each time for the same numbers."""

import io

import matplotlib

matplotlib.use("svg")
# What names elements in the file, and text that stays text.
matplotlib.rcParams.update({"svg.hashsalt": "rlvs", "svg.fonttype": "none", "font.size": 9})

from matplotlib import pyplot  # noqa: E402

from figures import split, text  # noqa: E402

COLOURS = {"direct": "#999999", "rlvs nat": "#0072b2", "rlvs steer": "#56b4e9",
           "rlvs steer, uncounted": "#b3d9f2", "ip_vs": "#d55e00", "nftables": "#009e73",
           "SO_REUSEPORT": "#cc79a7", "HAProxy": "#e69f00", "nginx stream": "#f0e442",
           "core": "#0072b2"}
SPARE = "#444444"
BAR = 0.8  # of the distance between two measures
MOST = 3.0  # times what ip_vs costs: longer bars are cut off, the number stands beside them
DASHES = ["-", "--", ":", "-."]


def _save(figure, folder, name):
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", bbox_inches="tight",
                   metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    first, rest = drawn.getvalue().split("\n", 1)
    lines = [first, "<!-- SPDX-License-Identifier: GPL-2.0 -->",
             *(line.rstrip() for line in rest.splitlines())]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return name


def _contenders(measures):
    """All that measures have samples of, in the order of the colours."""
    found = dict.fromkeys(one for measure in measures for one in measure.contenders)
    known = [one for one in COLOURS if one in found]
    return known + [one for one in found if one not in COLOURS]


def _labels(measures):
    """Titles; with what tells them apart where they are the same."""
    titles = [measure.title for measure in measures]
    return [title if titles.count(title) == 1 else f"{title} ({measure.name})"
            for title, measure in zip(titles, measures)]


def _legend(axis, order):
    handles, labels = axis.get_legend_handles_labels()
    rows = sorted(zip(labels, handles), key=lambda row: order.index(row[0]))
    axis.legend([handle for _, handle in rows], [label for label, _ in rows], loc="center left",
                bbox_to_anchor=(1.01, 0.5), frameon=False)


def _bars(axis, measures, contenders, value_of, limit_of, most=None):
    """Horizontal bars: for each measure one for each contender, with quartiles and the target."""
    height = BAR / len(contenders)
    for row, measure in enumerate(measures):
        for number, contender in enumerate(contenders):
            if contender not in measure.samples:
                continue
            value = value_of(measure, contender, None)
            if value is None:
                continue
            at = row - BAR / 2 + (number + 0.5) * height
            low, high = (value_of(measure, contender, end)
                         for end in measure.quartiles(contender))
            axis.barh(at, value, height, color=COLOURS.get(contender, SPARE),
                      label=contender if contender not in axis.get_legend_handles_labels()[1]
                      else None)
            axis.plot([low, high], [at, at], color="black", linewidth=0.8)
            limit = limit_of(measure, contender)
            if limit is not None:
                axis.plot([limit] * 2, [at - height / 2, at + height / 2], color="red", linewidth=2)
            beside = max(value, high, limit or 0, 0)
            if most is not None:
                beside = min(beside, most)
            axis.annotate(text(value), (beside, at), xytext=(3, 0), textcoords="offset points",
                          va="center", fontsize=7)
    axis.set_yticks(range(len(measures)), _labels(measures))
    axis.invert_yaxis()
    if most is not None:
        axis.set_xlim(right=min(axis.get_xlim()[1], most * 1.1))
    axis.margins(x=0.12)


def _bar_plot(folder, name, measures, skip, label, value_of, limit_of, most=None, line=None):
    contenders = [one for one in _contenders(measures) if one not in skip]
    bars = len(measures) * len(contenders)
    figure, axis = pyplot.subplots(figsize=(8, 1.2 + 0.5 * len(measures) + 0.11 * bars))
    _bars(axis, measures, contenders, value_of, limit_of, most)
    if line is not None:
        axis.axvline(line, color="black", linewidth=0.8, linestyle=":")
    axis.set_xlabel(label)
    _legend(axis, contenders)
    return _save(figure, folder, name)


def _limit(*kinds):
    def limit_of(measure, contender):
        limits = [target["limit"] for target in measure.targets_of(contender)
                  if target["kind"] in kinds]
        return limits[0] if limits else None
    return limit_of


def _compared(folder, name, measures):
    """Costs over direct, as multiples of what ip_vs costs."""
    return _bar_plot(
        folder, name, [m for m in measures if m.multiple("ip_vs") is not None],
        ("direct", "ip_vs"), "cost over direct, ip_vs's is 1 (red: the target; line: quartiles)",
        lambda measure, contender, at: measure.multiple(contender, at),
        _limit("over_direct_of_ip_vs"), MOST, 1)


def _of_direct(folder, name, measures):
    def value_of(measure, contender, at):
        value = measure.median(contender) if at is None else at
        return value / measure.median("direct")
    return _bar_plot(folder, name, measures, ("direct",),
                     "of direct's (red: the target; line: quartiles)", value_of,
                     _limit("of_direct"), line=1)


def _absolute(folder, name, measures):
    def limit_of(measure, contender):
        limits = [target["limit"] * (measure.median("ip_vs") if target["kind"] == "of_ip_vs" else 1)
                  for target in measure.targets_of(contender)
                  if target["kind"] in ("of_ip_vs", "at_most", "at_least")]
        return min(limits) if limits else None
    return _bar_plot(folder, name, measures, (), f"{measures[0].unit} (red: the target)",
                     lambda measure, contender, at: measure.median(contender) if at is None else at,
                     limit_of)


def _line(axis, points, contender, **style):
    drawn = {size: measure.median(contender) for size, measure in points.items()
             if contender in measure.samples}
    axis.plot(list(drawn), list(drawn.values()), marker=".", **style)


def _finish_curves(axis, curves, of_what):
    axis.set_xscale("log", base=10)
    axis.set_xlabel(of_what)
    points = next(iter(curves.values()))
    axis.set_ylabel(next(iter(points.values())).unit)
    axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=7)


def _curve(folder, name, points):
    """How a measure grows: a line for each contender."""
    figure, axis = pyplot.subplots(figsize=(8, 4))
    for contender in _contenders(points.values()):
        _line(axis, points, contender, label=contender, color=COLOURS.get(contender, SPARE))
    axis.set_ylim(bottom=0)
    _finish_curves(axis, {name: points}, name.rpartition(".")[2])
    return _save(figure, folder, f"{name.replace('.', '-')}.svg")


def _schedulers(folder, name, curves):
    """The same of all schedulers in one plot: a colour for each, a dash for each contender."""
    figure, axis = pyplot.subplots(figsize=(8, 5))
    colours = pyplot.get_cmap("tab20")
    for number, (curve, points) in enumerate(curves.items()):
        contenders = _contenders(points.values())
        for dash, contender in enumerate(contenders):
            label = curve.rpartition(".")[2]
            if len(contenders) > 1:
                label += f", {contender}"
            _line(axis, points, contender, label=label, color=colours(number % 20),
                  linestyle=DASHES[dash % len(DASHES)])
    axis.set_yscale("log", base=10)
    _finish_curves(axis, curves, "destinations")
    return _save(figure, folder, name)


def draw(group, measures, folder):
    """Draws what there is in a group; the names of the files."""
    curves, others = split(measures)
    compared = [m for m in others if m.is_compared]
    others = [m for m in others if not m.is_compared]
    of_direct = [m for m in others if any(t["kind"] == "of_direct" for t in m.targets)]
    names = []
    if compared:
        names.append(_compared(folder, f"{group}.svg", compared))
    if of_direct:
        names.append(_of_direct(folder, f"{group}-of-direct.svg", of_direct))
    units = dict.fromkeys(m.unit for m in others if m not in of_direct)
    for number, unit in enumerate(units):
        rest = [m for m in others if m.unit == unit and m not in of_direct]
        names.append(_absolute(folder, f"{group}-{number + 1}.svg", rest))
    if curves and group in ("picks", "host"):
        names.append(_schedulers(folder, f"{group}-schedulers.svg", curves))
    else:
        names += [_curve(folder, name, points) for name, points in curves.items()]
    return names
