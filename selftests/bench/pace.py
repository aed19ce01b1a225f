# SPDX-License-Identifier: GPL-2.0
"""Whether the processor is as fast as it can be.

Two processors of a machine may be threads of one core, and the other one may be somebody else's:
while that works, this one is slower by a third or more, for some tenths of a second or for
minutes, and nothing tells. So a loop that always does the same is timed before and after a sample,
and the sample is taken again if either was slow; or the loop is timed until it is fast, where a
sample cannot be taken again.
"""

import time

LOOP = range(5000)
# The processor is slow if the loop takes so many times as long as at best.
SLOW = 1.2
# Samples that are taken before the last one is kept, and seconds between them.
TRIES, PAUSE = 12, 0.1


class Pace:
    """What the processor has shown that it can do."""

    def __init__(self):
        self.best = self._loop()
        # Samples that were taken again; those that were kept although it was slow.
        self.again = self.slow = 0

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

    def is_slow(self):
        """Whether it is slow now."""
        now = self._loop()
        self.best = min(self.best, now)
        return now > SLOW * self.best

    def wait(self):
        """Waits until it is fast, but not for ever."""
        for _ in range(TRIES):
            if not self.is_slow():
                return
            self.again += 1
            time.sleep(PAUSE)
        self.slow += 1

    def steady(self, sample):
        """What `sample` returns while it is fast."""
        for _ in range(TRIES):
            was_slow = self.is_slow()
            result = sample()
            if not self.is_slow() and not was_slow:
                return result
            self.again += 1
            time.sleep(PAUSE)
        self.slow += 1
        return result

    def sentence(self):
        return (f"the processor was slow {self.again} times when a sample was about to be taken or "
                f"had been, which was then taken again, and {self.slow} samples were taken all the "
                "same")


PACE = Pace()
