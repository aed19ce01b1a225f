# SPDX-License-Identifier: GPL-2.0
"""Whether the processor is as fast as it can be.

A virtual machine's processor that had nothing to do for a second, as while a program sleeps, may
be up to 1.7 times as slow for a while after that; another thread of the same core has the same
effect, and nothing tells of either. So a loop that always does the same is timed before and
after a sample. If it was slow, the processor is given work for a moment and the sample is
taken again; where that cannot be, the loop is repeated until it is fast.
"""

import time

LOOP = range(5000)
# The processor is slow if the loop takes so many times as long as at best.
SLOW = 1.2
# Samples that are taken before the last one is kept, and seconds of work between them.
TRIES, PAUSE = 10, 0.05
# Seconds for all that is waited for and taken again: after that every sample is kept.
PATIENCE = 45


class Pace:
    """What the processor has shown that it can do."""

    def __init__(self):
        self.best = self._loop()
        # Samples that were taken again; those that were kept although it was slow.
        self.again = self.slow = 0
        self._patience = PATIENCE

    @staticmethod
    def _loop():
        """Seconds for the loop; the least of some, as the kernel has other things to do as well."""
        least = 1.0
        for _ in range(5):
            begun = time.perf_counter()
            for _ in LOOP:
                pass
            least = min(least, time.perf_counter() - begun)
        return least

    @staticmethod
    def _work(seconds):
        """Works for some time: a processor that has nothing to do for a while is slow after that."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass

    def is_slow(self):
        """Whether it is slow now."""
        now = self._loop()
        self.best = min(self.best, now)
        return now > SLOW * self.best

    def wait(self):
        """Waits until it is fast, but not for ever."""
        self.steady(lambda: None)

    def steady(self, sample):
        """What `sample` returns while it is fast."""
        for _ in range(TRIES):
            begun = time.perf_counter()
            was_slow = self.is_slow()
            result = sample()
            if not self.is_slow() and not was_slow:
                return result
            self.again += 1
            if self._patience <= 0:
                break
            self._work(PAUSE)
            self._patience -= time.perf_counter() - begun
        self.slow += 1
        return result

    def goes_on(self, again, slow):
        """Another kernel's run has found so much before."""
        self.again += again
        self.slow += slow

    def sentence(self):
        return (f"the processor was found slow {self.again} times beside a sample, and {self.slow} "
                "samples were kept all the same")


PACE = Pace()
