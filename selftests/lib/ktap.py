# SPDX-License-Identifier: GPL-2.0
"""What a test file is written with: checks, subtests, skips, waiting.

A test file holds functions named test_*. Each is one subtest, or one for
each value of @each. Results are printed as KTAP version 1
(Documentation/dev-tools/ktap.rst in the kernel).
"""

import inspect
import os
import time
import traceback


class Failure(Exception):
    """A check did not hold."""


class Slow(Failure):
    """A time limit was missed that something else on the machine may have used up."""


class Skip(Exception):
    """The machine lacks what the subtest needs; the reason is printed."""


def check(condition, message):
    """Ends the subtest as failed, with this message, unless the condition holds."""
    if not condition:
        raise Failure(message)


def in_time(condition, message):
    """Checks a measured time. The subtest is run again when it does not hold: a defect misses
    the limit each time, a machine that was busy does not."""
    if not condition:
        raise Slow(message)


def equal(got, wanted, what):
    """Checks that two values are equal, and prints both if not."""
    check(got == wanted, f"{what}: got {got!r}, wanted {wanted!r}")


def is_debug_kernel():
    """Returns whether this is the debug kernel: it alone is built with kmemleak."""
    return os.path.exists("/sys/kernel/debug/kmemleak")


def scale():
    """Returns how many times slower than the plain kernel this one is: $RLVS_SCALE, or guessed."""
    text = os.environ.get("RLVS_SCALE")
    if text:
        return float(text)
    return 6.0 if is_debug_kernel() else 1.0


def seconds(plain):
    """Returns a time limit in seconds, longer where the kernel is slower."""
    return plain * max(1.0, scale())


def fewer(plain, debug):
    """Returns how often to repeat something: the second number on the debug kernel."""
    return debug if scale() > 1.0 else plain


def wait_until(condition, what, limit=10.0):
    """Polls until the condition returns something true, and returns that.

    `what` is said when it never does: a text, or a function that makes one then.
    """
    deadline = time.monotonic() + seconds(limit)
    pause = 0.002
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            text = what() if callable(what) else what
            raise Failure(f"still not so after {seconds(limit):.0f} s: {text}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def each(values, all_differ=False):
    """Makes one subtest of the function for each value, which it gets as its last argument.

    Where not all are run, all that differ are.
    """

    def mark(function):
        function.each_value = list(values)
        function.all_differ = all_differ
        return function

    return mark


def subtests(module):
    """Returns a file's subtests in the order in which they are written: (name, call, arguments)."""
    return [subtest for group in _groups(module) for subtest in group]


def _groups(module):
    """Yields a test file's subtests as lists, those of a kind together."""
    for name, function in vars(module).items():
        if not name.startswith("test_") or not callable(function):
            continue
        title = name[len("test_"):].replace("_", " ")
        if hasattr(function, "each_value"):
            made = [(f"{title}: {value}", function, (value,)) for value in function.each_value]
            yield from ([subtest] for subtest in made) if function.all_differ else [made]
        else:
            yield [(title, function, ())]


def _every_second(module):
    """Returns half of each kind: of four flows both families and both protocols, and of the next
    kind the other two."""
    return [subtest for turn, group in enumerate(_groups(module))
            for place, subtest in enumerate(group)
            if len(group) == 1 or (place + place // 2 + turn) % 2 == 0]


def _chosen(module, only):
    """Returns the subtests that are run, and how many are not. The debug kernel is slow, and its
    checks are of code that most subtests of a kind share."""
    found = subtests(module)
    if only:
        return [subtest for subtest in found if only in subtest[0]], 0
    if not is_debug_kernel() or os.environ.get("FULL"):
        return found, 0
    half = _every_second(module)
    return half, len(found) - len(half)


def say(line, depth):
    """Prints one line of results at the depth of a subtest."""
    print("    " * depth + line, flush=True)


# How often a subtest may miss a time limit before it has failed.
TRIES = 3


class _Runner:
    """Runs subtests; those that name a parameter `lab` share one."""

    def __init__(self, module, make_lab):
        self.make_lab = lambda: make_lab(module)
        self.lab = None

    def run(self, function, values):
        """Runs one: returns (verdict, lines to print, reason why it was skipped or None)."""
        notes = []
        for attempt in range(1, TRIES + 1):
            verdict, found, skipped, slow = self._attempt(function, values)
            mess = self._clean_up()
            notes += found + mess
            if mess:
                verdict = "not ok"
            if not slow or mess or attempt == TRIES:
                break
            notes.append(f"attempt {attempt} of {TRIES} was too slow")
        return verdict, notes, skipped

    def _attempt(self, function, values):
        try:
            if "lab" in inspect.signature(function).parameters:
                self.lab = self.lab or self.make_lab()
                function(self.lab, *values)
            else:
                function(*values)
        except Skip as skip:
            return "ok", [], str(skip), False
        except Failure as failure:
            place = traceback.extract_tb(failure.__traceback__)
            lines = [f"{os.path.basename(f.filename)}:{f.lineno}" for f in place]
            notes = str(failure).splitlines() + ["at " + " > ".join(lines[1:])]
            return "not ok", notes, None, isinstance(failure, Slow)
        except Exception:  # pylint: disable=broad-except; any fault fails this subtest only
            return "not ok", traceback.format_exc().splitlines(), None, False
        return "ok", [], None, False

    def _clean_up(self):
        """Resets the lab; returns what could not be cleaned up, as lines."""
        if self.lab:
            try:
                self.lab.reset()
            except Failure as failure:
                self.lab = None
                return ["while cleaning up: " + str(failure)]
        return []


def run_module(module, make_lab, only=None):
    """Runs a test file's subtests and returns whether all of them passed.

    Subtests that name a parameter `lab` share one, which is emptied between them.
    `only` restricts them to names that contain it. Returns (passed, reason why all
    were skipped or None).
    """
    chosen, left_out = _chosen(module, only)
    check(chosen, "the file has no subtest")
    say("KTAP version 1", 1)
    say(f"1..{len(chosen) + bool(left_out)}", 1)
    passed = True
    skips = []
    runner = _Runner(module, make_lab)
    for number, (title, function, values) in enumerate(chosen, 1):
        begun = time.monotonic()
        verdict, notes, skipped = runner.run(function, values)
        if skipped:
            title += f" # SKIP {skipped}"
            skips.append(skipped)
        for note in notes:
            say("# " + note, 1)
        say(f"{verdict} {number} {title}", 1)
        if os.environ.get("RLVS_TIMES"):
            say(f"# {time.monotonic() - begun:.2f} s", 1)
        passed = passed and verdict == "ok"
    if left_out:
        say(f"ok {len(chosen) + 1} {left_out} more # SKIP every second one of a kind runs on the "
            "debug kernel: set FULL=1", 1)
    all_skipped = "; ".join(dict.fromkeys(skips)) if len(skips) == len(chosen) else None
    return passed, all_skipped
