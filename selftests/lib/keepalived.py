# SPDX-License-Identifier: GPL-2.0
"""keepalived as the distribution has it, with a configuration of the test's."""

import os
import signal
import socketserver
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from lib.ktap import seconds, wait_until


class Keepalived:
    """A keepalived in a namespace. `before` are words of a command that is to run it."""

    def __init__(self, namespace, text, before=()):
        self._folder = tempfile.TemporaryDirectory(prefix="keepalived")
        folder = Path(self._folder.name)
        self._config, self._log = folder / "keepalived.conf", folder / "log"
        self._config.write_text(text, encoding="ascii")
        self.pid_file = folder / "pid"
        with namespace, open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [*before, "keepalived", "--dont-fork", "--log-console", "--log-detail",
                 "--use-file", str(self._config), "--pid", str(self.pid_file),
                 "--vrrp_pid", str(folder / "vrrp"), "--checkers_pid", str(folder / "checkers")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def log(self):
        """Returns the end of what it has said."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-3000:]

    def wait(self, condition, what, limit=30.0):
        """Polls until the condition holds."""
        return wait_until(condition, lambda: f"{what}; keepalived says:\n{self.log()}", limit)

    def _signal(self, number):
        os.kill(int(self.pid_file.read_text(encoding="ascii")), number)

    def reload(self, text):
        """Makes it read a new configuration."""
        self._config.write_text(text, encoding="ascii")
        self._signal(signal.SIGHUP)

    def stop(self):
        """Ends it in the orderly way."""
        if self._process.poll() is None:
            self.wait(self.pid_file.exists, "it has begun")
            self._signal(signal.SIGTERM)
            self._process.wait(seconds(30))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.stop()
        finally:
            self._process.kill()
            self._process.wait()
            self._folder.cleanup()


class Web:
    """Servers that answer every request with a status of the test's choice."""

    def __init__(self, namespace, family):
        self._namespace, self._family = namespace, family
        self._servers = {}
        self.status = {}

    def listen(self, address, port):
        """Serves a port."""
        status = self.status

        class Handler(BaseHTTPRequestHandler):
            """Says which port it is."""

            def do_GET(self):  # pylint: disable=invalid-name; http.server's name
                """Answers one request."""
                own = self.server.server_address[1]
                self.send_response(status.get(own, 200))
                self.end_headers()
                self.wfile.write(f"{own}\n".encode("ascii"))

            def log_message(self, *_):  # pylint: disable=arguments-differ; nothing is logged
                """Logs nothing."""

        class Server(socketserver.ThreadingTCPServer):
            """In the namespace's family."""
            address_family = self._family
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 64

        with self._namespace:
            server = Server((address, port), Handler)
        self._servers[port] = server
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self, port):
        """Closes a port."""
        server = self._servers.pop(port)
        server.shutdown()
        server.server_close()

    def close(self):
        """Closes all."""
        for port in list(self._servers):
            self.stop(port)
