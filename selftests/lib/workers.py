# SPDX-License-Identifier: GPL-2.0
"""Worker processes: each has one listening socket and serves one connection after another.

A worker accepts a connection, reads eight bytes, works on them for a while, which is a sleep,
so that it is busy and the processor is not, sends the eight bytes back and closes. It notes in
memory that it shares with the test which connections it has accepted, and when: the notes are
there however it dies.
"""

import errno
import mmap
import os
import select
import signal
import socket
import struct
import time
import traceback

from lib.ktap import check, wait_until

REQUEST = 8  # bytes
PATIENCE = 5.0  # seconds that a worker waits for a request
NOTES = 200_000  # what a worker's memory has room for
_HEAD = struct.Struct("=qqd")  # accepted so far, process that listens or 0, seconds of work
_LISTENS, _WORK = 8, 16  # where in it: each is written by one side only
_NOTE = struct.Struct("=qqq")  # when (ns), port of the peer, number of the request or 0
_NUMBER = 16  # where in it


class Outage:
    """The time in which a worker went away: from the signal until the process was gone."""

    def __init__(self, begun):
        self.begun = begun
        self.ended = None

    def covers(self, begun, ended):
        """Returns whether this may have ended a connection that lasted from one time to another."""
        return begun <= self.ended and ended >= self.begun


class Worker:
    """A worker and the processes that it has been, one after another."""

    def __init__(self, where, port, work, backlog, reuse_port=False):
        self.port = port
        self.outages = []
        self._where, self._backlog, self._reuse_port = where, backlog, reuse_port
        self._memory = mmap.mmap(-1, _HEAD.size + NOTES * _NOTE.size)
        self._pid = None
        _HEAD.pack_into(self._memory, 0, 0, 0, work)

    # Called by tests.

    def start(self):
        """Starts a process and waits until it listens."""
        self.begin()
        self.ready()

    def begin(self):
        """Starts a process."""
        struct.pack_into("=q", self._memory, _LISTENS, 0)
        self._pid = os.fork()
        if self._pid == 0:
            self._process()

    def ready(self):
        """Waits until the process listens."""
        def listens():
            self.check_alive()
            return self._get()[1] == self._pid
        wait_until(listens, f"the worker listens on port {self.port}")

    def kill(self):
        """Ends the process by SIGKILL, as the kernel does when memory is short. The kernel then
        resets the connections that it had accepted, and those that wait in its accept queue."""
        self._end(signal.SIGKILL)

    def stop(self):
        """Ends the process by SIGTERM: it accepts what waits in its accept queue, closes the
        listening socket, serves what it has accepted, and exits. The balancer gets no notice."""
        self._end(signal.SIGTERM)

    def pause(self):
        """Stops the process by SIGSTOP; returns once it stands still."""
        os.kill(self._pid, signal.SIGSTOP)
        os.waitpid(self._pid, os.WUNTRACED)

    def resume(self):
        """Lets it go on."""
        os.kill(self._pid, signal.SIGCONT)

    def slow_down(self, factor):
        """Makes each connection take so many times as long from now on."""
        struct.pack_into("=d", self._memory, _WORK, self._get()[2] * factor)

    def accepted(self):
        """Returns what was accepted: (when, port of the peer, number of the request or 0)."""
        count = self._get()[0]
        return [_NOTE.unpack_from(self._memory, _HEAD.size + number * _NOTE.size)
                for number in range(count)]

    def check_alive(self):
        """Fails if the process has ended by itself."""
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        if pid:
            self._pid = None
        check(not pid, f"the worker on port {self.port} has ended: status {status}")

    def close(self):
        """Ends the process if there is one."""
        if self._pid is not None:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = None

    def _end(self, how):
        outage = Outage(time.monotonic_ns())
        os.kill(self._pid, how)
        _, status = os.waitpid(self._pid, 0)
        outage.ended = time.monotonic_ns()
        self.outages.append(outage)
        self._pid = None
        wanted = -how if how == signal.SIGKILL else 0
        got = os.waitstatus_to_exitcode(status)
        check(got == wanted, f"the worker on port {self.port} ended with status {got}")

    def _get(self):
        return _HEAD.unpack_from(self._memory)

    # In the worker's process.

    def _process(self):
        status = 1
        try:
            self._serve()
            status = 0
        except BaseException:  # pylint: disable=broad-except; nothing may escape a fork
            traceback.print_exc()
        finally:
            os._exit(status)

    def _serve(self):
        told, tell = os.pipe()
        os.set_blocking(tell, False)
        signal.set_wakeup_fd(tell)
        signal.signal(signal.SIGTERM, lambda *_: None)
        with self._where:
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self._reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.setblocking(False)
        listener.bind(("", self.port))
        listener.listen(self._backlog)
        struct.pack_into("=q", self._memory, _LISTENS, os.getpid())
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        poll.register(told, select.POLLIN)
        while True:
            ready = poll.poll()
            if any(fd == told for fd, _ in ready):
                break
            if accepted := self._accept(listener):
                self._answer(*accepted)
        rest = []
        while accepted := self._accept(listener):
            rest.append(accepted)
        listener.close()
        for accepted in rest:
            self._answer(*accepted)

    def _accept(self, listener):
        """Accepts a connection, if there is one, and notes it: its socket and the note's place."""
        try:
            sock, peer = listener.accept()
        except BlockingIOError:
            return None
        count = self._get()[0]
        place = _HEAD.size + count * _NOTE.size
        _NOTE.pack_into(self._memory, place, time.monotonic_ns(), peer[1], 0)
        struct.pack_into("=q", self._memory, 0, count + 1)
        return sock, place

    def _answer(self, sock, place):
        with sock:
            sock.settimeout(PATIENCE)
            try:
                request = sock.recv(REQUEST)
                if len(request) != REQUEST:
                    return  # somebody looks whether the port is open
                struct.pack_into("=q", self._memory, place + _NUMBER, *struct.unpack("=q", request))
                time.sleep(self._get()[2])
                sock.sendall(request)
            except OSError as error:
                if error.errno not in (None, errno.ECONNRESET, errno.EPIPE):
                    raise
