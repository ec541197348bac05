"""The C library under the seam: `syscall(2)` with errno as an exception, and the addresses of Python's buffers.

Place in the pipeline: bottom of `runtime/sys`; the only module that imports ctypes.  In: numbers and buffers.  Out:
results, or `OSError`.  What a newcomer would get wrong: an address is good only as long as the buffer that it came
from is referenced, so keep both in one scope around the call.
"""

from __future__ import annotations

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_long = ctypes.c_long

# include/uapi/asm-generic/unistd.h; x86-64 has its own
_X86_64 = {"bpf": 321, "perf_event_open": 298, "pidfd_open": 434, "capget": 125}
_GENERIC = {"bpf": 280, "perf_event_open": 241, "pidfd_open": 434, "capget": 90}
NUMBERS = _X86_64 if os.uname().machine == "x86_64" else _GENERIC


def call(name: str, *args: int) -> int:
    """System call `name` with integer arguments.  Raises OSError."""
    result: int = _syscall(_long(NUMBERS[name]), *map(_long, args))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return result


def address_of(buffer: bytearray) -> int:
    """Where a non-empty buffer lies; it must not be resized while the address is in use."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def address_of_bytes(data: bytes) -> int:
    """Where immutable bytes lie, followed by a NUL.  The kernel must only read there."""
    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0


def prctl(option: int, value: int) -> None:
    """prctl(2) with one argument.  Raises OSError."""
    if _libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), _long(0), _long(0), _long(0)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "prctl")


def ptrace(request: int, pid: int, address: int, data: int) -> int:
    """ptrace(2).  Raises OSError."""
    function = _libc.ptrace
    function.restype = ctypes.c_long
    ctypes.set_errno(0)
    result: int = function(ctypes.c_int(request), ctypes.c_int(pid), ctypes.c_void_p(address), ctypes.c_void_p(data))
    number = ctypes.get_errno()
    if result == -1 and number:
        raise OSError(number, os.strerror(number), "ptrace")
    return result
