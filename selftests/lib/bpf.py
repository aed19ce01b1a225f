# SPDX-License-Identifier: GPL-2.0
"""A BPF program that gives packets a socket as they come in.

It is made by hand: no compiler and no library is needed.
"""

import contextlib
import ctypes
import os
import socket
import struct

from lib.ktap import Failure

SYS_BPF = 321  # of x86-64
PROG_LOAD, LINK_CREATE = 5, 28
SCHED_CLS, TCX_INGRESS = 3, 46
LOG = 1 << 16

# Instructions (include/uapi/linux/bpf.h, bpf_common.h).
MOV_REG, MOV, ADD = 0xBF, 0xB7, 0x07
LOAD_WORD, LOAD_HALF, LOAD_BYTE, STORE_WORD = 0x61, 0x69, 0x71, 0x62
AND, IF_EQUAL, IF_OTHER, CALL, EXIT = 0x57, 0x15, 0x55, 0x85, 0x95
# Functions.
LOAD_BYTES, LOOKUP_TCP, LOOKUP_UDP, RELEASE, ASSIGN = 26, 84, 85, 86, 124
FRAME, OUT = 10, object()
PROTOCOL = 16  # of struct __sk_buff
ETHERNET = 14
BYTES, TUPLE = -48, -40  # places in the frame

_libc = ctypes.CDLL(None, use_errno=True)


class _Code:
    """Builds a program, instruction by instruction."""

    def __init__(self):
        self._lines = []

    def add(self, code, to=0, source=0, offset=0, value=0):
        """Adds one instruction; the offset OUT is where the program ends."""
        self._lines.append((code, source << 4 | to, offset, value))

    def call(self, function, *arguments):
        """Calls a function with registers, given as (number, "register"), frame places or
        numbers."""
        for number, (kind, value) in enumerate(arguments, 1):
            if kind == "register":
                self.add(MOV_REG, number, value)
            elif kind == "frame":
                self.add(MOV_REG, number, FRAME)
                self.add(ADD, number, value=value)
            else:
                self.add(MOV, number, value=value)
        self.add(CALL, value=function)

    def assemble(self):
        """Returns the bytes, with an end that lets the packet go on."""
        end = len(self._lines)
        self.add(MOV, 0)
        self.add(EXIT)
        return b"".join(
            struct.pack("<BBhi", code, registers, end - at - 1 if offset is OUT else offset, value)
            for at, (code, registers, offset, value) in enumerate(self._lines))


def _little(octets):
    """Returns the number whose little-endian form these bytes are."""
    return int.from_bytes(octets, "little", signed=len(octets) == 4)


def _load_bytes(code, offset, count):
    """Fetches bytes of the packet, or ends the program."""
    code.call(LOAD_BYTES, ("register", 6), ("number", offset), ("frame", BYTES), ("number", count))
    code.add(IF_OTHER, 0, offset=OUT)


def assigner(flow, port, address, to_port):
    """Returns a program that gives TCP segments that open a connection to a port, or datagrams to
    it, the socket that listens at an address and another port."""
    four = flow.version == 4
    octets = socket.inet_pton(flow.family, address)
    transport = ETHERNET + (20 if four else 40)
    code = _Code()
    code.add(MOV_REG, 6, 1)
    code.add(LOAD_WORD, 1, 6, PROTOCOL)
    code.add(IF_OTHER, 1, offset=OUT, value=socket.htons(0x0800 if four else 0x86DD))
    _load_bytes(code, transport + 2, 2)
    code.add(LOAD_HALF, 1, FRAME, BYTES)
    code.add(IF_OTHER, 1, offset=OUT, value=socket.htons(port))
    if flow.protocol == "tcp":
        _load_bytes(code, transport + 13, 1)
        code.add(LOAD_BYTE, 1, FRAME, BYTES)
        code.add(AND, 1, value=0x12)
        code.add(IF_OTHER, 1, offset=OUT, value=0x02)
    # struct bpf_sock_tuple: both addresses, both ports; the sender plays no part.
    ends = bytes(len(octets)) + octets + struct.pack("!HH", 0, to_port)
    for at in range(0, len(ends), 4):
        code.add(STORE_WORD, FRAME, offset=TUPLE + at, value=_little(ends[at:at + 4]))
    code.call(LOOKUP_TCP if flow.protocol == "tcp" else LOOKUP_UDP, ("register", 6),
              ("frame", TUPLE), ("number", len(ends)), ("number", -1), ("number", 0))
    code.add(IF_EQUAL, 0, offset=OUT)
    code.add(MOV_REG, 7, 0)
    code.call(ASSIGN, ("register", 6), ("register", 7), ("number", 0))
    code.call(RELEASE, ("register", 7))
    return code.assemble()


def _bpf(command, attributes):
    """Makes the system call; returns a file descriptor."""
    attributes = ctypes.create_string_buffer(attributes, len(attributes))
    found = _libc.syscall(SYS_BPF, command, attributes, len(attributes))
    if found < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"bpf({command}): {os.strerror(number)}")
    return found


@contextlib.contextmanager
def at_ingress(host, device, program):
    """Lets a program see what comes in by a device of a host."""
    code, licence = ctypes.create_string_buffer(program), ctypes.create_string_buffer(b"GPL")
    log = ctypes.create_string_buffer(LOG)
    try:
        loaded = _bpf(PROG_LOAD, struct.pack(
            "=IIQQIIQII", SCHED_CLS, len(program) // 8, ctypes.addressof(code),
            ctypes.addressof(licence), 1, LOG, ctypes.addressof(log), 0, 0))
    except OSError as error:
        raise Failure(f"{error}: {log.value.decode('ascii', 'replace')}") from None
    try:
        with host:
            link = _bpf(LINK_CREATE, struct.pack("=IIIIQQ", loaded, socket.if_nametoindex(device),
                                                 TCX_INGRESS, 0, 0, 0))
    finally:
        os.close(loaded)
    try:
        yield
    finally:
        os.close(link)
