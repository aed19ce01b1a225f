# SPDX-License-Identifier: GPL-2.0
"""First packets that are kept for a second try take bounded memory and hold nothing up.

They go away by themselves, and with everything that they could hold: devices, namespaces, the module.
"""

import time

from lib import kernel
from lib.genl import Director
from lib.ktap import Skip, check, each, equal, in_time, is_debug_kernel, wait_until
from lib.lab import UDP, UDP4, prepare_ipv6
from lib.netns import Namespace
from lib.nft import CleanLab, judge, tries
from lib.packets import Raw, datagram
from lib.servers import Servers

SECONDS_KEPT = 2


def make_lab():
    """The lab, whose rules change with each subtest."""
    return CleanLab()


def keep_some(lab, host, flow, number):
    """First datagrams of so many flows that nobody answers."""
    lab.servers.listen(flow, [8001, 8002])
    judge(lab.lb, flow, [8001, 8002], "drop")
    Director(lab.lb).add(flow, 80, "8001-8002", "rr")
    for _ in range(number):
        with host, flow.socket() as sock:
            sock.sendto(b"anybody there?", (flow.vip, 80))


def slab_objects(*names):
    """How many objects these caches have."""
    with open("/proc/slabinfo", encoding="ascii") as file:
        return {line.split()[0]: int(line.split()[1]) for line in file
                if line.split()[0] in names}


def test_a_flood_takes_no_memory(lab):
    """Of many flows at once only so many packets are kept as there is room for."""
    if is_debug_kernel():
        raise Skip("the allocator keeps freed memory here")
    lab.servers.listen(UDP4, [8001, 8002])
    judge(lab.lb, UDP4, [8001, 8002], "drop")
    lab.balance(UDP4, ports="8001-8002")
    raw = Raw(lab.client, "eth", lab.lb, "wan")
    number = 6000
    caches = ("skbuff_head_cache", "skbuff_small_head")
    before = slab_objects(*caches)
    for count in range(number):
        raw.send(datagram(f"192.0.2.{200 + count % 40}", UDP4.vip, 1024 + count // 40, 80, b"x"))
        if count % 250 == 249:  # no more than a device's queue takes
            wait_until(lambda: sum(tries(lab).values()) >= count * 9 // 10,
                       lambda: f"{count} datagrams are there: {tries(lab)}")
    after = slab_objects(*caches)
    more = {name: after[name] - before[name] for name in after}
    print(f"    # after {number} flows: {more}", flush=True)
    check(more and all(count < number // 4 for count in more.values()), f"more objects: {more}")


def test_devices_can_go(lab):
    host = lab.add_host("198.18.5.2", "2001:db8:5::2")
    name = f"lan{host.fd}"
    for flow in UDP:
        keep_some(lab, host, flow, 20)
        wait_until(lambda: sum(tries(lab).values()) == 20, lambda: f"they arrive: {tries(lab)}")
    begun = time.monotonic()
    lab.lb.ip(f"link del {name}")
    took = time.monotonic() - begun
    in_time(took < SECONDS_KEPT or is_debug_kernel(), f"removing the device took {took:.1f} s")
    host.close()


@each(UDP)
def test_a_namespace_can_go(lab, flow):
    """With first packets of its own clients."""
    for _ in range(3):
        host = Namespace()
        prepare_ipv6(host)
        host.ip(f"addr add {flow.vip}/{32 if flow.version == 4 else 128} dev lo")
        servers = Servers(host)
        servers.listen(flow, [8001, 8002])
        judge(host, flow, [8001, 8002], "drop")
        Director(host).add(flow, 80, "8001-8002", "rr")
        for _ in range(20):
            with host, flow.socket() as sock:
                sock.sendto(b"anybody there?", (flow.vip, 80))
        servers.close_all()
        host.close()
    equal(lab.conns(), [], "entries of another namespace")


@each(UDP)
def test_the_module_can_go(lab, flow):
    keep_some(lab, lab.client, flow, 20)
    kernel.remove()
    kernel.insert()
