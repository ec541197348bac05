"""What is needed to write one system call, prepared once for each that occurs.

Place in the pipeline: between `lines` and the tables.  In: a call's number.  Out: its Decoder.  What a newcomer would
get wrong: calls that are not in `signatures` are not unknown: the kernel describes the arguments of each in its
tracing file system, and those are shown by their C types.
"""

from __future__ import annotations

import re
from operator import itemgetter

from pytrace.defs.name_tables import SYSCALLS
from pytrace.defs.syscalls.arguments import known_at_entry, shown_as
from pytrace.defs.syscalls.captures import captures_of
from pytrace.defs.syscalls.signatures import SIGNATURES

_FIELD = re.compile(r"field:(.+?)\s*\b(\w+);\s*offset:(\d+);")
_FIRST_ARGUMENT = 16
"""Where a record of syscalls:sys_enter_* has its first argument: behind the event's head and the call's number."""
_SIGNED = ("int", "pid_t", "key_t", "clockid_t", "timer_t")
_UNSIGNED = ("unsigned int", "u32", "uid_t", "gid_t", "qid_t")
PLACES = (7, 6, 5, 0, 2, 1)
"""Where the arguments are among the copied registers, which are in the order of struct pt_regs from r10 on."""
_REMEMBERED = 4096


class Decoder:
    """How to write call `name`: `shows` one function for each argument, the first `known` of which can be written when
    it begins.  `entered`, `returned`: what is copied.  `plain`: nothing is, so the same numbers give the same text."""

    def __init__(self, name: str, words: tuple[str, ...], result: str) -> None:
        self.name = name
        self.result = result
        self.shows = shown_as(name, words)
        self.known = known_at_entry(name, words)
        self.entered, self.returned = captures_of(words)
        self.plain = bool(words) and not self.entered and not self.returned and name != "clone"
        self.key = itemgetter(*(PLACES[at] for at in range(len(words)))) if words else itemgetter(0)
        self.lines: dict[object, bytes] = {}
        """Lines of a plain call that were written before."""

    def remember(self, key: object, line: bytes) -> None:
        """Keep a line."""
        if len(self.lines) >= _REMEMBERED:
            self.lines.clear()
        self.lines[key] = line


def decoder(number: int, compat: bool) -> Decoder:
    """Of call `number`; `compat`: of the 32-bit table, whose calls are shown by number only."""
    if compat:
        return Decoder(f"syscall_i386_{number:#x}", (), "d")
    name = SYSCALLS.get(number, "")
    if not name:
        return Decoder(f"syscall_{number:#x}", ("x",) * 6, "d")
    signature = SIGNATURES.get(name)
    if signature is not None:
        return Decoder(name, signature.arguments, signature.result)
    return Decoder(name, words_of(_description(name)), "d")


def _description(name: str) -> str:
    for root in ("/sys/kernel/tracing", "/sys/kernel/debug/tracing"):
        try:
            with open(f"{root}/events/syscalls/sys_enter_{name}/format", encoding="latin-1") as file:
                return file.read()
        except OSError:
            continue
    return ""


def words_of(description: str) -> tuple[str, ...]:
    """The kinds of the arguments by their C types; six in hexadecimal if there is no description."""
    if not description:
        return ("x",) * 6
    fields = [(kind, name) for kind, name, at in _FIELD.findall(description) if int(at) >= _FIRST_ARGUMENT]
    return tuple(_word(kind, name) for kind, name in fields)


def _word(kind: str, name: str) -> str:
    if "*" in kind:
        return "p"
    if name in ("fd", "dfd", "dirfd"):
        return "dirfd" if name != "fd" else "fd"
    if kind == "umode_t":
        return "mode"
    if "flags" in name:
        return "x"
    if kind in _SIGNED:
        return "d"
    return "u" if kind in _UNSIGNED else "z" if kind == "size_t" else "x"
