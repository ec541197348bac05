"""The result of a call as text: `3`, `-1 ENOENT (No such file or directory)`, `0 (Timeout)`.

Place in the pipeline: used by `lines`.  In: a Call that returned, the kind of its result.  Out: what stands behind
`= `.  What a newcomer would get wrong: an address may look negative; errors are the 4095 numbers below zero.
"""

from __future__ import annotations

from errno import errorcode
from functools import lru_cache
from os import strerror

from pytrace.defs.syscalls import structs
from pytrace.defs.syscalls.constants import ENUMS, FLAGS, RESTARTS, octal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.defs.syscalls.calls import Call


def result_text(kind: str, call: Call) -> str:
    """What stands behind `= `."""
    result = call.result
    if result is None:
        return "?"
    if call.failed:
        return error_text(-result)
    if kind == "x":
        return (hex(result & 2**64 - 1) if result else "0")
    if kind == "mode":
        return octal(result & 0o777)
    if kind == "id":
        return str(result & 0xFFFFFFFF)
    if kind == "fcntl":
        return _fcntl_result(call, result)
    return str(result)


@lru_cache(256)
def error_text(number: int) -> str:
    """`-1 ENOENT (No such file or directory)`; the kernel's own numbers say `?`."""
    restart = RESTARTS.get(number)
    if restart:
        return f"? {restart}"
    name = errorcode.get(number)
    return f"-1 {name or f'ERRNO_{number}'} ({strerror(number)})"


def _fcntl_result(call: Call, result: int) -> str:
    command = ENUMS["fcntl"].get(call.arguments[1] & 0xFFFFFFFF, "")
    table = {"F_GETFD": "fd", "F_GETFL": "open"}.get(command)
    if table is None or (table == "fd" and not result):
        return str(result)
    return f"{hex(result) if result else '0'} (flags {FLAGS[table].text(result)})"


_SETS = ("in", "out", "except")
_TIMED = {"poll": -1, "ppoll": 2, "select": 4, "pselect6": 4}
"""Calls that wait for descriptors, and which argument of theirs is the time, updated at the end."""


def ready_text(name: str, call: Call) -> str:
    """What poll(2) and its kin say about their result, in parentheses."""
    if name not in _TIMED or call.failed or call.result is None:
        return ""
    if not call.result:
        return " (Timeout)"
    parts = []
    if "poll" in name:
        found = call.returned.get(0)
        parts += [structs.poll_found(found.data)] if found is not None and found.length > 0 else []
    else:
        for at, what in enumerate(_SETS, 1):
            found = call.returned.get(at)
            if call.arguments[at] and found is not None and found.length > 0:
                ready = structs.descriptor_set(found.data, call.arguments[0] & 0xFFFF)
                parts += [f"{what} {ready}"] if ready != "[]" else []
    left = call.returned.get(_TIMED[name])
    if left is not None and left.length >= 16:
        parts.append("left " + structs.SHOWN["timeval" if name == "select" else "timespec"][1](left.data))
    return f" ({', '.join(parts)})" if parts else ""
