"""The arguments and the result of one recorded call as text.

Place in the pipeline: between records (`lines`) and the tables.  In: the registers of a call, what was copied for it,
its result.  Out: `"/etc/passwd", O_RDONLY` and `3`.  What a newcomer would get wrong: an argument that the call fills
in is only known when it returned, and only if it did not fail: before that, and instead, it is an address.
"""

from __future__ import annotations

from functools import lru_cache
from struct import unpack_from

from pytrace.defs.syscalls import captures, structs
from pytrace.defs.syscalls.calls import Call, Copied
from pytrace.defs.syscalls.constants import ENUMS, FLAGS, file_mode, octal, signal_name
from pytrace.defs.syscalls.structs import pointer, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Show = Callable[[Call, int], "str | None"]

CURRENT_FOLDER = -100
"""AT_FDCWD."""


# ---------------------------------------------------------------- numbers


def signed(value: int, bits: int = 32) -> int:
    """The low `bits` as a signed number."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


def _id(call: Call, at: int) -> str:
    value = call.arguments[at] & 0xFFFFFFFF
    return "-1" if value == 0xFFFFFFFF else str(value)


def _folder(call: Call, at: int) -> str:
    fd = signed(call.arguments[at])
    return "AT_FDCWD" if fd == CURRENT_FOLDER else str(fd)


def _hexadecimal(value: int) -> str:
    return hex(value) if value else "0"


def _flags(table: str) -> Show:
    text = lru_cache(256)(FLAGS[table].text)
    return lambda call, at: text(call.arguments[at] & 0xFFFFFFFF)


def _enum(table: str) -> Show:
    names = ENUMS[table]

    def show(call: Call, at: int) -> str:
        value = call.arguments[at] & 0xFFFFFFFF
        return names.get(value) or names.get(signed(value)) or hex(value)

    return show


def _mode(flags_at: str) -> Show:
    """Octal; of open(2) only when a file may be made (the number of the flags' argument is given)."""
    if not flags_at:
        return lambda call, at: octal(call.arguments[at] & 0xFFFF)
    where = int(flags_at)

    def show(call: Call, at: int) -> str | None:
        return octal(call.arguments[at] & 0xFFFF) if call.arguments[where] & 0x400040 else None

    return show


_NUMBERS: dict[str, Show] = {
    "d": lambda call, at: str(signed(call.arguments[at])),
    "u": lambda call, at: str(call.arguments[at] & 0xFFFFFFFF),
    "l": lambda call, at: str(signed(call.arguments[at], 64)),
    "z": lambda call, at: str(call.arguments[at]),
    "x": lambda call, at: _hexadecimal(call.arguments[at]),
    "p": lambda call, at: pointer(call.arguments[at]),
    "fd": lambda call, at: str(signed(call.arguments[at])),
    "pid": lambda call, at: str(signed(call.arguments[at])),
    "id": _id,
    "dirfd": _folder,
    "signal": lambda call, at: signal_name(signed(call.arguments[at])),
    "filemode": lambda call, at: file_mode(call.arguments[at] & 0xFFFF),
}


# ---------------------------------------------------------------- texts and buffers


def _path(call: Call, at: int) -> str:
    found = call.entered.get(at)
    if found is None or found.length <= 0:
        return pointer(call.arguments[at])
    return quoted(found.data.split(b"\0")[0], found.length >= captures.PATH, call.hexadecimal)


def _limited(data: bytes, call: Call) -> str:
    text = data.split(b"\0")[0]
    return quoted(text[: call.limit], len(text) > call.limit, call.hexadecimal)


def _text(call: Call, at: int) -> str:
    found = call.entered.get(at)
    return _limited(found.data, call) if found and found.length > 0 else pointer(call.arguments[at])


def _filled_text(call: Call, at: int) -> str:
    found = call.returned.get(at)
    if call.failed or found is None or found.length <= 0:
        return pointer(call.arguments[at])
    return quoted(found.data.split(b"\0")[0], False, call.hexadecimal)


def _given(length_at: str) -> Show:
    """A buffer that the call reads; its length is another argument."""
    where = int(length_at)

    def show(call: Call, at: int) -> str:
        found, size = call.entered.get(at), call.arguments[where]
        if found is None or found.length < 0 or not call.arguments[at]:
            return pointer(call.arguments[at])
        return quoted(found.data[: call.limit], size > call.limit, call.hexadecimal)

    return show


def _filled(noise: bool) -> Show:
    """A buffer that the call writes, as long as its result says; `noise`: in hexadecimal always."""

    def show(call: Call, at: int) -> str:
        found = call.returned.get(at)
        if call.failed or call.result is None or found is None or found.length < 0:
            return pointer(call.arguments[at])
        data, cut = found.data[: call.limit], call.result > call.limit
        return structs.in_hexadecimal(data, cut) if noise else quoted(data, cut, call.hexadecimal)

    return show


def _strings(call: Call, at: int) -> str:
    """An argument list: as many as strings have characters, like strace."""
    found = call.entered.get(at)
    if found is None or found.length < 0:
        return pointer(call.arguments[at])
    most = min(call.limit, captures.STRINGS_SHOWN - 1)
    shown = [_limited(e.data, call) if e.length > 0 else pointer(e.address) for e in found.elements[:most]]
    return "[" + ", ".join(shown + (["..."] if len(found.elements) > most else [])) + "]"


def _environment(call: Call, at: int) -> str:
    """An array of pointers, by their number if its end was reached."""
    found = call.entered.get(at)
    shown = pointer(call.arguments[at])
    words = found.data if found is not None else b""
    count = next((n for n in range(len(words) // 8) if words[8 * n : 8 * n + 8] == bytes(8)), -1)
    return shown if count < 0 else f"{shown} /* {count} var{'' if count == 1 else 's'} */"


def _vectors(returning: bool) -> Callable[[str], Show]:
    """An array of buffers; of one that the call fills, as far as its result says."""

    def make(count_at: str) -> Show:
        where = int(count_at)

        def show(call: Call, at: int) -> str:
            found = (call.returned if returning else call.entered).get(at)
            if (call.failed and returning) or found is None or found.length < 0:
                return pointer(call.arguments[at])
            return _buffers(call, found.elements, call.arguments[where], returning)

        return show

    return make


def _buffers(call: Call, elements: Sequence[Copied], count: int, returning: bool) -> str:
    """`[{iov_base="text", iov_len=4}]`, of `count` those that were copied."""
    left = call.result if returning and call.result is not None else 1 << 62
    parts = []
    for element in elements:
        size = min(element.size, left)
        left -= size
        shown = pointer(element.address)
        if element.length >= 0:
            shown = quoted(element.data[: min(size, call.limit)], size > call.limit, call.hexadecimal)
        parts.append(f"{{iov_base={shown}, iov_len={element.size}}}")
    return "[" + ", ".join(parts + (["..."] if count > len(elements) else [])) + "]"


def _message(returning: bool) -> Show:
    """struct msghdr with its address and buffers; of control data the place."""

    def show(call: Call, at: int) -> str:
        found = (call.returned if returning else call.entered).get(at)
        if (call.failed and returning) or found is None or found.length < captures.MESSAGE_SIZE:
            return pointer(call.arguments[at])
        name, length, vector, count, control, control_length, flags = unpack_from("<QI4xQQQQI", found.data)
        address, *buffers = found.elements
        shown = structs.socket_address(address.data) if name and address.length > 0 else pointer(name)
        parts = [f"msg_name={shown}", f"msg_namelen={length}"]
        parts.append(f"msg_iov={_buffers(call, buffers, count, returning) if vector else 'NULL'}, msg_iovlen={count}")
        parts += [f"msg_control={pointer(control)}"] if control_length else []
        parts += [f"msg_controllen={control_length}", f"msg_flags={FLAGS['message'].text(flags)}"]
        return "{" + ", ".join(parts) + "}"

    return show


def _descriptors(call: Call, at: int) -> str:
    """A set of select(2): `[3 5]`."""
    found = call.entered.get(at)
    if found is None or found.length < 0 or not call.arguments[at]:
        return pointer(call.arguments[at])
    return structs.descriptor_set(found.data, signed(call.arguments[0]))


# ---------------------------------------------------------------- structs


def _struct(name: str, returning: bool) -> Show:
    """What a pointer leads to, in braces; the address if it was not read."""
    size, show = structs.SHOWN[name]

    def text(call: Call, at: int) -> str:
        found = (call.returned if returning else call.entered).get(at)
        if (call.failed and returning) or found is None or found.length < size:
            return pointer(call.arguments[at])
        return show(found.data)

    return text


def _wait_status(call: Call, at: int) -> str | None:
    """Not written by a call that found no child."""
    return _WAIT(call, at) if call.result else pointer(call.arguments[at])


_WAIT = _struct("wait_status", True)


def _address(returning: bool) -> Callable[[str], Show]:
    def make(given: str) -> Show:
        def show(call: Call, at: int) -> str:
            found = (call.returned if returning else call.entered).get(at)
            if (call.failed and returning) or found is None or found.length <= 0:
                return pointer(call.arguments[at])
            return structs.socket_address(found.data)

        return show

    return make


def _length(call: Call, at: int) -> str:
    """The length of an address or option: what was given, and what came back if it is another."""
    before, after = call.entered.get(at), call.returned.get(at)
    if before is None or before.length < 4:
        return pointer(call.arguments[at])
    given = unpack_from("<I", before.data)[0]
    back = unpack_from("<I", after.data)[0] if after is not None and after.length >= 4 else given
    return f"[{given}]" if given == back or call.failed else f"[{given} => {back}]"


def _option(returning: bool) -> Callable[[str], Show]:
    def make(given: str) -> Show:
        def show(call: Call, at: int) -> str:
            found = (call.returned if returning else call.entered).get(at)
            other = bool(given) and call.arguments[int(given)] & 0xFFFFFFFF != 4
            if other or (call.failed and returning) or found is None or found.length < 4:
                return pointer(call.arguments[at])
            return f"[{unpack_from('<i', found.data)[0]}]"

        return show

    return make


def _socket_option(level_at: str) -> Show:
    where = int(level_at)

    def show(call: Call, at: int) -> str:
        table = {1: "socket option", 6: "tcp option"}.get(signed(call.arguments[where]))
        value = signed(call.arguments[at])
        return ENUMS[table].get(value, _hexadecimal(value)) if table else _hexadecimal(value)

    return show


def _poll(count_at: str) -> Show:
    where = int(count_at)

    def show(call: Call, at: int) -> str:
        found = call.entered.get(at)
        if found is None or found.length < 0 or not call.arguments[at]:
            return pointer(call.arguments[at])
        more = call.arguments[where] & 0xFFFFFFFF > len(found.data) // 8
        return structs.poll_asked(found.data)[:-1] + (", ...]" if more else "]")

    return show


def _epoll(call: Call, at: int) -> str:
    found = call.returned.get(at)
    if call.failed or found is None or found.length < 0:
        return pointer(call.arguments[at])
    return structs.epoll_events(found.data)


# ---------------------------------------------------------------- arguments whose meaning another one says


def _fcntl(call: Call, at: int) -> str | None:
    """By command: nothing, flags, a number or an address."""
    command = ENUMS["fcntl"].get(call.arguments[1] & 0xFFFFFFFF, "")
    value = call.arguments[at]
    if command in ("F_GETFD", "F_GETFL", "F_GETOWN", "F_GETSIG", "F_GETLEASE", "F_GETPIPE_SZ", "F_GET_SEALS"):
        return None
    if command == "F_SETFD":
        return FLAGS["fd"].text(value & 0xFFFFFFFF)
    if command == "F_SETFL":
        return FLAGS["open"].text(value & 0xFFFFFFFF)
    if command in ("F_DUPFD", "F_DUPFD_CLOEXEC", "F_SETOWN", "F_SETPIPE_SZ"):
        return str(signed(value))
    return pointer(value)


def _ioctl(call: Call, at: int) -> str:
    number = call.arguments[at] & 0xFFFFFFFF
    name = ENUMS["ioctl"].get(number)
    if name:
        return name
    way = {0: "_IOC_NONE", 1: "_IOC_WRITE", 2: "_IOC_READ", 3: "_IOC_READ|_IOC_WRITE"}[number >> 30]
    return f"_IOC({way}, {number >> 8 & 0xFF:#x}, {number & 0xFF:#x}, {number >> 16 & 0x3FFF:#x})"


def _ioctl_argument(call: Call, at: int) -> str | None:
    """FIOCLEX and FIONCLEX have none."""
    return None if call.arguments[1] & 0xFFFFFFFF in (0x5450, 0x5451) else pointer(call.arguments[at])


def _protocol(call: Call, at: int) -> str:
    """Of a socket, by its family."""
    table = {"AF_INET": "protocol", "AF_INET6": "protocol", "AF_NETLINK": "netlink"}.get(_FAMILY(call, 0) or "")
    return _enum(table)(call, at) or "" if table else str(signed(call.arguments[at]))


_FAMILY = _enum("family")


def _clone_args(call: Call, at: int) -> str:
    """struct clone_args, and what clone3(2) wrote behind one of its pointers: its own result."""
    text = _CLONE_ARGS(call, at) or ""
    found = call.entered.get(at)
    known = found is not None and found.length >= 8 and unpack_from("<Q", found.data)[0] & 0x100000
    return f"{text} => {{parent_tid=[{call.result}]}}" if known and call.result and not call.failed else text


_CLONE_ARGS = _struct("clone_args", False)
_FUTEX_WAITS = (0, 6, 9, 11, 13)
"""FUTEX_WAIT, LOCK_PI, WAIT_BITSET, WAIT_REQUEUE_PI, LOCK_PI2: their fourth argument is a time."""
_FUTEX_SHORT = {0: 4, 1: 3, 2: 3, 6: 4, 7: 2, 8: 2, 9: 6, 10: 3}
"""Arguments that a command looks at, where those are fewer than six."""


def _futex_command(call: Call, at: int) -> str:
    value = call.arguments[at] & 0xFFFFFFFF
    name = ENUMS["futex"].get(value & 0x7F, hex(value & 0x7F))
    private = "_PRIVATE" if value & 0x80 else ""
    return f"{name}{private}" + ("|FUTEX_CLOCK_REALTIME" if value & 0x100 else "")


def _futex(call: Call, at: int) -> str | None:
    """The arguments behind the command, as far as it looks at them."""
    command, value = call.arguments[1] & 0x7F, call.arguments[at]
    if at >= _FUTEX_SHORT.get(command, 6) or (command == 9 and at == 4):
        return None
    if at == 2:
        return str(value & 0xFFFFFFFF)
    if at == 3:
        return _TIMEOUT(call, at) if command in _FUTEX_WAITS else str(value & 0xFFFFFFFF)
    if at == 5 and command in (9, 10):
        return "FUTEX_BITSET_MATCH_ANY" if value & 0xFFFFFFFF == 0xFFFFFFFF else hex(value & 0xFFFFFFFF)
    return pointer(value) if at == 4 else hex(value & 0xFFFFFFFF)


_TIMEOUT = _struct("timespec", False)


def _clone(call: Call, at: int) -> str | None:
    """The whole call in its first argument: by name, as strace does, since their order differs between machines."""
    if at:
        return None
    flags, stack, parent, child, tls = call.arguments[:5]
    names = FLAGS["clone"].text(flags & ~0xFF & 0xFFFFFFFF)
    ending = signal_name(flags & 0xFF) if flags & 0xFF else ""
    shown = "|".join(word for word in (names if names != "0" else "", ending) if word) or "0"
    parts = [f"child_stack={pointer(stack)}", f"flags={shown}"]
    if flags & 0x101000:
        known = not call.failed and flags & 0x100000 and call.result
        parts.append(f"parent_tid=[{call.result}]" if known else f"parent_tid={pointer(parent)}")
    parts += [f"tls={pointer(tls)}"] if flags & 0x80000 else []
    parts += [f"child_tidptr={pointer(child)}"] if flags & 0x1200000 else []
    return ", ".join(parts)


# ---------------------------------------------------------------- the kinds

_MAKERS: dict[str, Callable[[str], Show]] = {
    "flags": _flags,
    "enum": _enum,
    "mode": _mode,
    "path": lambda _: _path,
    "text": lambda _: _text,
    "text>": lambda _: _filled_text,
    "in": _given,
    "out": lambda _: _filled(False),
    "noise": lambda _: _filled(True),
    "strings": lambda _: _strings,
    "count": lambda _: _environment,
    "vectors": _vectors(False),
    "vectors>": _vectors(True),
    "message": lambda _: _message(False),
    "message>": lambda _: _message(True),
    "fdset": lambda _: _descriptors,
    "microseconds_left": lambda _: _struct("timeval", False),
    "nanoseconds_left": lambda _: _struct("timespec", False),
    "sockaddr": _address(False),
    "sockaddr>": _address(True),
    "length": lambda _: _length,
    "option": _option(False),
    "option>": _option(True),
    "sockopt": _socket_option,
    "pollfds": _poll,
    "epoll_events>": lambda _: _epoll,
    "wait_status>": lambda _: _wait_status,
    "protocol": lambda _: _protocol,
    "fcntl": lambda _: _fcntl,
    "ioctl": lambda _: _ioctl,
    "ioctl_argument": lambda _: _ioctl_argument,
    "futex_command": lambda _: _futex_command,
    "futex": lambda _: _futex,
    "clone_args": lambda _: _clone_args,
}


def shown_as(name: str, words: Sequence[str]) -> list[Show]:
    """How each argument of call `name` is written."""
    if name == "clone":
        return [_clone] * len(words)
    return [_shown(word) for word in words]


def _shown(word: str) -> Show:
    kind, _, given = word.partition(":")
    if kind in _NUMBERS:
        return _NUMBERS[kind]
    if kind in _MAKERS:
        return _MAKERS[kind](given)
    return _struct(kind.rstrip(">"), kind.endswith(">"))


def known_at_entry(name: str, words: Sequence[str]) -> int:
    """How many leading arguments are known when the call begins."""
    if name == "clone":
        return 0
    late = ("out", "noise", "length", "clone_args")
    filled = (i for i, w in enumerate(words) if ">" in w or w.partition(":")[0] in late)
    return next(filled, len(words))
