# SPDX-License-Identifier: GPL-2.0
"""What clients notice when workers die, restart, stand still or are slow.

A scenario runs workers behind a contender (lib/contenders.py), clients that open connections
without pause, and a disturbance; the result counts what became of each connection.

Three kinds of lost connections are told apart. *Refused*: the client was sent to a port at which
nobody listened. *Reset in the queue*: it was connected, and its worker went away before it had
accepted the connection; the kernel resets what waits in the accept queue of a socket that is
closed, and the handshakes that are not finished, whatever balances. *Reset after accept*: a
killed worker had accepted it. Behind a proxy a worker does not see the client's port, and a
connection counts as accepted when the worker has read the request.

A SYN that meets a full accept queue is dropped; the client sends it again a second later, and
gives up after three. Behind a proxy it is the proxy that waits.
"""

import collections
import time

from lib import hammer
from lib.ktap import check, fewer, seconds
from lib.workers import Worker

BACKLOG = 32  # of each worker: an accept queue holds one more
DISTURBED = 2  # which worker is killed, stands still or is slow
SLOWER = 10  # times


class Plan:
    """How many clients, and how long everything takes, in seconds."""

    def __init__(self):
        self.clients = fewer(64, 24)
        self.work = seconds(0.02)  # of a worker for each connection
        self.connect_limit = fewer(3, 10)
        self.answer_limit = fewer(25, 60)  # longer than a worker stands still
        self.steady = fewer(3, 4)  # before a disturbance that it is compared with, and during
        self.before = 1
        self.down = fewer(2, 3)  # between kill and restart
        self.restart = fewer(0.25, 0.5)  # between the end of a process and the start of the next
        self.stopped = fewer(10, 6)
        self.after = 1.5


class Site:
    """Workers and clients at work."""

    def __init__(self, workers, plan):
        self.workers, self.plan = workers, plan
        self.window = None  # when it was disturbed, in ns

    def disturb(self, begin, length, end):
        """Disturbs for a while."""
        begin()
        begun = time.monotonic_ns()
        self.load(length)
        self.window = begun, time.monotonic_ns()
        end()

    @staticmethod
    def load(length):
        """Lets the clients and workers work for so many seconds."""
        time.sleep(length)


def undisturbed(site):
    """Leaves all workers alone."""
    site.load(site.plan.steady)


def killed(site):
    """Kills a worker by SIGKILL and starts it again some time later."""
    site.load(site.plan.before)
    worker = site.workers[DISTURBED]
    site.disturb(worker.kill, site.plan.down, worker.start)
    site.load(site.plan.after)


def restarted(site):
    """Restarts all workers one after another, by SIGTERM; the balancer gets no notice."""
    site.load(site.plan.before)
    begun = time.monotonic_ns()
    for worker in site.workers:
        worker.stop()
        site.load(site.plan.restart)
        worker.start()
        site.load(site.plan.restart)
    site.window = begun, time.monotonic_ns()
    site.load(site.plan.after)


def stopped(site):
    """Stops a worker by SIGSTOP, and lets it go on later."""
    site.load(site.plan.steady)
    worker = site.workers[DISTURBED]
    site.disturb(worker.pause, site.plan.stopped, worker.resume)
    site.load(site.plan.after)


def slow(site):
    """Makes a worker need ten times as long for each connection before it accepts the next."""
    site.load(site.plan.steady)
    worker = site.workers[DISTURBED]
    site.disturb(lambda: worker.slow_down(SLOWER), 2 * site.plan.steady,
                 lambda: worker.slow_down(1 / SLOWER))


SCENARIOS = {undisturbed: "undisturbed", killed: "kill -9 and restart",
             restarted: "rolling restart", stopped: "SIGSTOP", slow: "one worker 10 times slower"}


class Result:
    """What became of the connections of a run."""

    def __init__(self, attempts, workers, window, load):
        self.attempts, self.window = attempts, window
        self._load = load  # from when to when clients began anew, in ns
        self.outages = [outage for worker in workers for outage in worker.outages]
        self._accepted = collections.defaultdict(list)
        self._read = set()
        self.shares = []  # connections that each worker has accepted
        self._latest = []  # when each accepted its latest one
        for worker in workers:
            notes = worker.accepted()
            self.shares.append(len(notes))
            self._latest.append(notes[-1][0] if notes else 0)
            for when, port, number in notes:
                self._accepted[port].append(when)
                self._read.add(number)
        self.count = collections.Counter(self._kind(attempt) for attempt in attempts)
        self.resent = sum(attempt.resent > 0 for attempt in attempts)  # had to send a SYN again

    def _was_accepted(self, attempt):
        return attempt.number in self._read or any(
            attempt.begun <= when <= attempt.ended for when in self._accepted[attempt.port])

    def _kind(self, attempt):
        if attempt.outcome == hammer.CUT:
            return "reset_accepted" if self._was_accepted(attempt) else "reset_queued"
        names = {hammer.ANSWERED: "answered", hammer.REFUSED: "refused",
                 hammer.CONNECT_TIMEOUT: "timed_out", hammer.NO_ANSWER: "no_answer"}
        return names.get(attempt.outcome, f"errno {attempt.outcome - hammer.OTHER}")

    def unexplained(self):
        """Returns the connections that were reset although no worker went away meanwhile."""
        return [attempt for attempt in self.attempts if attempt.outcome == hammer.CUT
                and not any(outage.covers(attempt.begun, attempt.ended)
                            for outage in self.outages)]

    def used_again(self):
        """Returns whether the disturbed worker accepted connections after the disturbance."""
        return self._latest[DISTURBED] > self.window[1]

    def within(self, begun, ended):
        """Returns the attempts that began in a time."""
        return [attempt for attempt in self.attempts if begun <= attempt.begun < ended]

    def before(self):
        """Returns the attempts from before the disturbance."""
        return self.within(0, self.window[0])

    def during(self):
        """Returns the attempts that began while it lasted."""
        return self.within(*self.window)

    def rate(self, begun=None, ended=None):
        """Returns connections answered a second, by default while the clients were at work."""
        begun, ended = begun or self._load[0], ended or self._load[1]
        answered = sum(a.outcome == hammer.ANSWERED and begun <= a.ended < ended
                       for a in self.attempts)
        return answered / (ended - begun) * 1e9

    def rates(self):
        """Returns the rates before the disturbance and while it lasted."""
        return self.rate(ended=self.window[0]), self.rate(*self.window)


def connect_times(attempts):
    """Returns how long connecting took or was tried in vain, in ms, sorted."""
    return sorted(((a.connected or a.ended) - a.begun) / 1e6 for a in attempts
                  if a.connected or a.outcome == hammer.CONNECT_TIMEOUT)


def answer_times(attempts):
    """Returns how long the answer took from the begin on, in ms, sorted."""
    return sorted((a.ended - a.begun) / 1e6 for a in attempts
                  if a.outcome in (hammer.ANSWERED, hammer.NO_ANSWER))


def percentile(values, percent):
    """Returns the value that so many percent of them do not exceed."""
    check(values, "no connection was made at all")
    return values[min(len(values) - 1, len(values) * percent // 100)]


def run(lab, contender, scenario, target, plan):
    """Runs one scenario: `lab` has the hosts `lb` and `client`."""
    workers = [Worker(lab.lb, port, plan.work, BACKLOG, contender.reuse_port)
               for port in contender.ports]
    clients = None
    try:
        for worker in workers:
            worker.begin()
        for worker in workers:
            worker.ready()
        contender.begin()
        site = Site(workers, plan)
        begun = time.monotonic_ns()
        clients = hammer.Hammer(lab.client, target, plan.clients, plan.connect_limit,
                                plan.answer_limit)
        scenario(site)
        ended = time.monotonic_ns()
        attempts = clients.stop()
        for worker in workers:
            worker.check_alive()
        return Result(attempts, workers, site.window, (begun, ended))
    finally:
        if clients:
            clients.close()
        contender.end()
        for worker in workers:
            worker.close()


COLUMNS = ("answered/s", "refused", "reset in queue", "reset after accept", "SYN sent again",
           "connect timed out", "no answer", "other error", "connect p50 ms", "p99 ms",
           "answer p99 ms")


def row(result):
    """Returns a result as the columns of a table."""
    count = result.count
    connects = connect_times(result.attempts)
    numbers = [f"{result.rate():.0f}"]
    numbers += [str(count[kind]) for kind in ("refused", "reset_queued", "reset_accepted")]
    numbers += [str(result.resent), str(count["timed_out"]), str(count["no_answer"])]
    numbers.append(str(sum(n for kind, n in count.items() if kind.startswith("errno"))))
    numbers += [f"{percentile(connects, percent):.1f}" if connects else "-" for percent in (50, 99)]
    answers = answer_times(result.attempts)
    numbers.append(f"{percentile(answers, 99):.0f}" if answers else "-")
    return numbers


def sentence(result):
    """Returns a result as a line of text."""
    return ", ".join(f"{name} {value}" for name, value in zip(COLUMNS, row(result)))
