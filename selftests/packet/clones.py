# SPDX-License-Identifier: GPL-2.0
"""Packet data that is shared is not changed: rlvs writes to a copy of its own.

A packet socket that has not been read yet shares the bytes of what came in with the
packet that goes on to the hooks.
"""

import struct

from lib.clients import talk
from lib.ktap import check, each
from lib.lab import FLOWS
from lib.packets import Sniffer


@each(FLOWS)
def test_a_packet_socket_keeps_what_came_in(lab, flow):
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    header = 20 if flow.version == 4 else 40
    held = Sniffer(lab.lb, "wan", room=1 << 22)
    with talk(lab.client, flow) as conversation:
        conversation.bulk(50_000)
        ports = struct.pack("!H", conversation.name[1])
    seen = {}
    for packet in held.waiting():
        source, destination = packet[header:header + 2], packet[header + 2:header + 4]
        if source == ports:
            port = struct.unpack("!H", destination)[0]
            seen[port] = seen.get(port, 0) + 1
    check(set(seen) == {80} and seen[80] >= 8,
          f"packets that came in, by the port that the packet socket has: {seen}")
