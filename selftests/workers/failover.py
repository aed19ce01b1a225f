# SPDX-License-Identifier: GPL-2.0
"""Clients do not notice that a worker dies, restarts, stands still or is slow.

Eight worker processes, and clients that open connections without pause. None of these may be
refused or wait in vain; one may be reset only if it was with a process that went away:
accepted by it, or in the accept queue or the handshake of its socket, which the kernel
resets when the socket is closed. `make compare` shows the same for rlvs and its peers.
"""

from lib.contenders import PORT, Rlvs, RlvsPairs
from lib.disturb import (Plan, connect_times, killed, percentile, restarted, run, sentence, slow,
                         stopped)
from lib.ktap import check, each, equal, in_time, is_debug_kernel
from lib.lab import TCP4

LIMIT = 300
METHODS = ("nat", "steer")
NOISE = 500  # ms: an emulated processor may leave everybody waiting for some tenths of a second


def hammer(lab, method, scenario, make=Rlvs):
    """Runs a scenario, with the checks that hold for all of them.

    ListenDrops would count more than full queues: once in about a thousand restarts, the last ACK
    of a handshake meets a socket that another CPU is closing, and no choice can avoid that. Where a
    worker inherits another one's queue, its own may be over full by that, and then handshakes that
    were under way end late: when the client's data come again, as it takes itself for connected.
    """
    overflows = lab.lb.netstat("ListenOverflows")
    result = run(lab, make(lab, method), scenario, (TCP4.vip, PORT), Plan())
    print(f"    # {method}, {scenario.__name__}: {sentence(result)}", flush=True)
    allowed = {"answered", "reset_queued", "reset_accepted"}
    bad = {kind: number for kind, number in result.count.items() if kind not in allowed}
    equal(bad, {}, "connections that were lost")
    overflows = lab.lb.netstat("ListenOverflows") - overflows
    if make is not RlvsPairs:
        equal(overflows, 0, "packets of handshakes that met a full accept queue")
    # The debug kernel may take the second after which a SYN is sent again, too. A SYN on its way to
    # a socket that is being closed may be dropped there, or meet a queue that was just inherited.
    if not is_debug_kernel():
        in_time(result.resent <= bool(result.outages),
                f"{result.resent} clients have sent their SYN again")
    unexplained = result.unexplained()
    check(not unexplained, f"{len(unexplained)} connections were reset although no worker went "
                           f"away, the first of them {unexplained[:1]}")
    check(all(result.shares), f"a worker got no connections: {result.shares}")
    return result


def keeps_pace(result):
    """The other workers do the work: the eighth is little, and half is lost to an idle balancer."""
    before, during = result.rates()
    in_time(during > before / 2,
            f"{before:.0f} connections a second were answered before, and then {during:.0f}")


@each(METHODS)
def test_a_worker_is_killed(lab, method):
    result = hammer(lab, method, killed)
    check(result.count["reset_accepted"] <= 1, "connections that the worker had accepted were "
          f"reset, but it has one at a time: {result.count['reset_accepted']}")
    keeps_pace(result)
    check(result.used_again(), "the worker got no connections after its restart")


@each(METHODS)
def test_a_worker_leaves_its_queue_to_another(lab, method):
    """Where each port is shared by two, and the kernel is told to hand the queue on."""
    result = hammer(lab, method, killed, RlvsPairs)
    # It has one at a time, and may be killed between accept() and its note.
    lost = result.count["reset_queued"] + result.count["reset_accepted"]
    check(lost <= 1, f"{lost} connections were reset, more than the worker can have had accepted")


@each(METHODS)
def test_all_are_restarted(lab, method):
    result = hammer(lab, method, restarted)
    equal(result.count["reset_accepted"], 0, "connections reset that a worker had accepted")


@each(METHODS)
def test_a_worker_stands_still(lab, method):
    result = hammer(lab, method, stopped)
    before, during = (connect_times(attempts) for attempts in (result.before(), result.during()))
    usual, now = percentile(before, 99), percentile(during, 99)
    print(f"    # {method}: p99 of connecting {usual:.1f} ms, and then {now:.1f} ms", flush=True)
    in_time(now <= max(2 * usual, NOISE), f"the p99 of connecting was {usual:.1f} ms before, "
                                          f"and then {now:.1f} ms")
    keeps_pace(result)


@each(METHODS)
def test_a_worker_is_slow(lab, method):
    keeps_pace(hammer(lab, method, slow))
