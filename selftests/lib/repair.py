# SPDX-License-Identifier: GPL-2.0
"""One end of a TCP connection that was never opened here, by TCP_REPAIR.

So a test has what a director has that takes over from another one: both hosts are in the
middle of a connection of which it has seen nothing.
"""

import socket
import struct

TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ, TCP_REPAIR_WINDOW = 19, 20, 21, 29
REPAIR_ON, REPAIR_OFF_SILENTLY = 1, -1
RECEIVED, SENT = 1, 2
WINDOW = 65535


def end_of(where, flow, local, remote, sent, received):
    """Makes the end at `local`, an (address, port), of a connection with `remote`.

    It has sent everything before the sequence number `sent`, and received what is before
    `received`. No packet is sent for it.
    """
    with where:
        sock = flow.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_ON)
    sock.bind(local)
    for queue, number in ((SENT, sent), (RECEIVED, received)):
        sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
        sock.setsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ, struct.pack("=I", number))
    sock.connect(remote)
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_WINDOW,
                    struct.pack("=5I", received, WINDOW, WINDOW, WINDOW, received))
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF_SILENTLY)
    return sock
