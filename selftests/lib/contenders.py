# SPDX-License-Identifier: GPL-2.0
"""What spreads connections to one address over the workers of a host: rlvs and its peers.

Each is set up as somebody would who wants it to cope with workers that come and go: see the
lines that each is given.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from lib import kernel
from lib.genl import N
from lib.ktap import Failure, Skip, seconds, wait_until
from lib.lab import TCP4

WORKERS = 8
PORT = 80
PORTS = range(8001, 8001 + WORKERS)
LISTEN = "0A"  # in /proc/net/tcp
SERVICE = TCP4.service(PORT)


class Contender:
    """One way to do it. Called in turn: begin() when the workers listen, end()."""

    name = ""
    ports = PORTS  # of the workers
    reuse_port = False  # whether all of them listen on one port

    def __init__(self, lab):
        self.lab = lab

    def begin(self):
        """Sets it up; rlvs has to be out of the way."""
        if kernel.loaded():
            kernel.remove()

    def end(self):
        """Takes it away."""


class Rlvs(Contender):
    """rlvs with one of its forwarding methods."""

    def __init__(self, lab, method="nat", scheduler="p2c", flags="none"):
        super().__init__(lab)
        self.name = f"rlvs {method} {scheduler}"
        self._method, self._scheduler, self._flags = method, scheduler, flags

    def begin(self):
        # What the specification has, the tool and the module have to have.
        if f"RLVS_FORWARDING_METHOD_{self._method.upper()}" not in N:
            raise Skip(f"rlvs has no forwarding method {self._method}")
        if not kernel.loaded():
            kernel.insert()
        self.lab.rlvs(f"service add {SERVICE} --scheduler {self._scheduler} --flags {self._flags}")
        ports = f"{self.ports[0]}-{self.ports[-1]}"
        self.lab.rlvs(f"dest add {SERVICE} :{ports} --method {self._method}")

    def end(self):
        if kernel.loaded():
            self.lab.director().flush_now()


class RlvsPairs(Rlvs):
    """Destinations that are two workers each, on one port: one of them that goes leaves what waits
    for it to the other."""

    ports = sorted([*PORTS[:WORKERS // 2]] * 2)
    reuse_port = True

    def __init__(self, lab, method="steer", scheduler="p2c"):
        super().__init__(lab, method, scheduler)
        self.name += ", pairs, tcp_migrate_req=1"

    def begin(self):
        super().begin()
        self.lab.lb.sysctl("net.ipv4.tcp_migrate_req", 1)

    def end(self):
        super().end()
        self.lab.lb.sysctl("net.ipv4.tcp_migrate_req", 0)


class ReusePort(Contender):
    """All workers listen on the service's own port; the kernel chooses by a hash."""

    name = "SO_REUSEPORT"
    ports = [PORT] * WORKERS
    reuse_port = True


class ReusePortMigrating(ReusePort):
    """The same, and a worker that goes leaves what waits for it to the others."""

    name = "SO_REUSEPORT, tcp_migrate_req=1"

    def begin(self):
        super().begin()
        self.lab.lb.sysctl("net.ipv4.tcp_migrate_req", 1)

    def end(self):
        self.lab.lb.sysctl("net.ipv4.tcp_migrate_req", 0)


class Nftables(Contender):
    """A rule of nftables that redirects to each worker's port in turn."""

    name = "nftables redirect, numgen"

    def begin(self):
        super().begin()
        ports = ", ".join(f"{number} : {port}" for number, port in enumerate(PORTS))
        self.lab.lb.must("nft", "-f", "-", input=f"""
            table ip balance {{
                chain prerouting {{
                    type nat hook prerouting priority dstnat;
                    ip daddr {TCP4.vip} tcp dport {PORT} \
                        redirect to :numgen inc mod {WORKERS} map {{ {ports} }}
                }}
            }}""")

    def end(self):
        self.lab.lb.must("nft", "delete", "table", "ip", "balance")


class IpVs(Contender):
    """ip_vs with local ports as real servers."""

    name = "ip_vs nat wlc"
    _modules = ("ip_vs_wlc", "ip_vs")

    def begin(self):
        super().begin()
        for module in reversed(self._modules):
            kernel.need(module)
        at = TCP4.endpoint(TCP4.vip, PORT)
        lines = [f"-A -t {at} -s wlc"]
        lines += [f"-a -t {at} -r {TCP4.endpoint(TCP4.vip, port)} -m" for port in PORTS]
        self.lab.lb.must("ipvsadm", "-R", input="\n".join(lines) + "\n")

    def end(self):
        if not kernel.loaded("ip_vs"):
            return
        self.lab.lb.must("ipvsadm", "-C")

        def unloaded():
            subprocess.run(["rmmod", *(m for m in self._modules if kernel.loaded(m))],
                           capture_output=True, timeout=seconds(30), check=False)
            return not kernel.loaded("ip_vs")
        wait_until(unloaded, "ip_vs is unloaded")


class Proxy(Contender):
    """A program that accepts at once and has a connection of its own to a worker."""

    program = ""

    def __init__(self, lab):
        super().__init__(lab)
        self._process = None
        self._folder = None

    def configuration(self):
        """The lines of its configuration file."""
        raise NotImplementedError

    def arguments(self, config):
        """What it is started with, so that it stays in the foreground."""
        raise NotImplementedError

    def begin(self):
        super().begin()
        if not shutil.which(self.program):
            raise Skip(f"there is no {self.program}; make packages installs it")
        self._folder = tempfile.TemporaryDirectory(prefix=f"rlvs-{self.program}.")
        folder = Path(self._folder.name)
        config, log = folder / "config", folder / "log"
        config.write_text("\n".join(self.configuration()) + "\n", encoding="ascii")
        with self.lab.lb, log.open("wb") as file:
            self._process = subprocess.Popen([self.program, *self.arguments(str(config))],
                                             stdin=subprocess.DEVNULL, stdout=file, stderr=file)

        def listens():
            if self._process.poll() is not None:
                text = log.read_text(errors="replace")
                raise Failure(f"{self.program} has ended: {text}")
            lines = self.lab.lb.read("/proc/thread-self/net/tcp").splitlines()[1:]
            sockets = [line.split()[1:4] for line in lines]  # local and remote end, state
            return any(local.endswith(f":{PORT:04X}") and state == LISTEN
                       for local, _, state in sockets)
        wait_until(listens, f"{self.program} listens")

    def end(self):
        if self._process:
            self._process.terminate()
            self._process.wait(timeout=seconds(10))
        if self._folder:
            self._folder.cleanup()


class HaProxy(Proxy):
    """It looks four times as often as it does by itself whether a worker is there, and believes
    the first answer."""

    name = "HAProxy leastconn"
    program = "haproxy"

    def configuration(self):
        lines = ["global", " maxconn 4096", "defaults", " mode tcp", " retries 3",
                 " option redispatch 1", " timeout connect 1s", " timeout client 60s",
                 " timeout server 60s", "listen balance", f" bind {TCP4.vip}:{PORT}",
                 " balance leastconn"]
        return lines + [f" server worker{port} {TCP4.vip}:{port} check inter 500ms rise 1 fall 1"
                        for port in PORTS]

    def arguments(self, config):
        return ["-db", "-f", config]


class Nginx(Proxy):
    """nginx as a proxy of TCP; its module for that is a package of its own."""

    name = "nginx stream least_conn"
    program = "nginx"

    def configuration(self):
        return ["load_module /usr/lib/nginx/modules/ngx_stream_module.so;", "user root;",
                "daemon off;", "worker_processes auto;", "error_log stderr;",
                f"pid {self._folder.name}/pid;",
                "events { worker_connections 4096; }", "stream {",
                " upstream workers {", "  least_conn;",
                *(f"  server {TCP4.vip}:{port};" for port in PORTS), " }",
                f" server {{ listen {TCP4.vip}:{PORT}; proxy_pass workers; }}", "}"]

    def arguments(self, config):
        return ["-e", "stderr", "-c", config]


PEERS = [ReusePort, ReusePortMigrating, Nftables, IpVs, HaProxy]
