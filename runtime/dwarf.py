"""Debug information of traced programs: parameters of functions, their types, addresses of source lines.

Place in the pipeline: under `runtime.machine`.  In: a path and a function's name.  Out: `Function`, declarations in
C, addresses; None where a program has no debug information.  What a newcomer would get wrong: the information may be
in a file of its own, found by the program's build id.
"""

from __future__ import annotations

from struct import error

from pytrace.runtime import elf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from pytrace.location import Formula
    from pytrace.runtime.dwarf_frames import Frames
    from pytrace.runtime.dwarf_inlines import Instance
    from pytrace.runtime.dwarf_reader import Reader
    from pytrace.target import Function
    from pytrace.types import Type

    _Question = TypeVar("_Question", bound=Callable[..., Any])

_readers: dict[str, Reader | None] = {}
_instances: dict[tuple[str, str], list[Instance]] = {}


def _checked(ask: _Question) -> _Question:
    """Let damaged information end in a DwarfError that names the program."""

    def checked(path: str, *rest: Any, **named: Any) -> Any:
        try:
            return ask(path, *rest, **named)
        except (IndexError, KeyError, ValueError, RecursionError, error) as problem:
            from pytrace.runtime.dwarf_reader import DwarfError

            raise DwarfError(path, problem) from None

    return checked  # type: ignore[return-value]


def _reader(path: str, folders: str) -> Reader | None:
    """The reader of a program's debug information; kept, for a script asks more than once.

    `folders`: --debuginfo, a list separated by colons in front of the usual places.
    """
    if path not in _readers:
        _readers[path] = _open(path, folders)
    return _readers[path]


def _open(path: str, folders: str) -> Reader | None:
    file = _file(path, folders)
    if file is None:
        return None
    from pytrace.runtime.dwarf_reader import Reader

    return Reader(file)


def _file(path: str, folders: str) -> elf.ElfFile | None:
    """The file with the debug information of `path`: itself, or the one that its build id or link names."""
    try:
        file = elf.ElfFile(path)
    except (elf.ElfError, OSError):
        return None
    if file.debug_section(".debug_info") is not None:
        return file
    other = elf.debug_file(file, folders)
    return other if other is not None and other.debug_section(".debug_info") is not None else None


def available(path: str, folders: str = "") -> bool:
    """Whether there is debug information, looking at section names only."""
    return _readers[path] is not None if path in _readers else _file(path, folders) is not None


@_checked
def missing_file(path: str, folders: str = "") -> str:
    """The name of a file with a part of the debug information that was looked for and is not there, "" if all are."""
    reader = _reader(path, folders)
    return reader.missing[0] if reader is not None and reader.missing else ""


@_checked
def function(path: str, name: str, folders: str = "", address: int | None = None) -> Function | None:
    """Parameters and result of a function, or of what was inlined at an address; None where it is not described."""
    reader = _reader(path, folders)
    if reader is None:
        return None
    from pytrace.runtime import dwarf_functions

    def frame(at: int) -> Formula | None:
        return _frame_address(path, at)

    for instance in _inlined(path, name, folders) if address is not None else ():
        if instance.address == address:
            return dwarf_functions.inlined(reader, instance, name, frame)
    return dwarf_functions.function(reader, name, address, frame)


def _frame_address(path: str, address: int) -> Formula | None:
    """The canonical frame address in the code at an address; None where no register and offset give it."""
    from pytrace.location import plus, register
    from pytrace.runtime import eh_frame
    from pytrace.runtime.dwarf_locations import REGISTERS

    try:
        cfa = eh_frame.frame_address(elf.ElfFile(path), address)
    except (eh_frame.UnwindError, elf.ElfError, OSError):
        return None
    return plus(register(REGISTERS[cfa[0]]), cfa[1]) if isinstance(cfa, tuple) and cfa[0] < len(REGISTERS) else None


@_checked
def type_named(path: str, name: str, tag: str, folders: str = "") -> Type | None:
    """A type of the program; None without debug information for it."""
    reader = _reader(path, folders)
    if reader is None:
        return None
    for unit in reader.units:
        whole = reader.whole(unit)
        if whole is not None and whole[0] is not reader:
            found = whole[0].types.named(name, tag)
            if found is not None:
                return found
    return reader.types.named(name, tag)


@_checked
def declarations(path: str, name: str, folders: str = "") -> list[str] | None:
    """`int x` for each parameter; [] for a function that is not described, None without debug information."""
    if not available(path, folders):
        return None
    found = function(path, name, folders)
    if found is None:
        return []
    return [f"{d} {n}" for (n, _), d in zip(found.params, found.declarations, strict=False)]


@_checked
def line_address(path: str, file: str, line: int, column: int, folders: str = "") -> int | str | None:
    """The address of a source line's first statement; a text that says why there is none; None without information."""
    reader = _reader(path, folders)
    if reader is None:
        return None
    from pytrace.runtime.dwarf_lines import addresses

    return addresses(reader, file, line, column)


@_checked
def frames(path: str, folders: str = "") -> Frames | None:
    """What the addresses of a program are in its source; None without debug information."""
    reader = _reader(path, folders)
    if reader is None:
        return None
    from pytrace.runtime.dwarf_frames import Frames

    return Frames(reader)


@_checked
def inlined(path: str, name: str, folders: str = "") -> list[int]:
    """Where code of function `name` begins that was inlined into others: an address for each place, in order."""
    return [instance.address for instance in _inlined(path, name, folders)]


@_checked
def where_inlined(path: str, name: str, address: int, folders: str = "") -> str:
    """What an inlined place is in, for messages: `in first (inlined.c:18)`."""
    reader = _reader(path, folders)
    from pytrace.runtime.dwarf_functions import where_inlined as shown

    found = (i for i in _inlined(path, name, folders) if i.address == address)
    return next((shown(reader, i) for i in found if reader is not None), "")


def _inlined(path: str, name: str, folders: str) -> list[Instance]:
    reader = _reader(path, folders)
    if reader is None:
        return []
    if (path, name) not in _instances:
        from pytrace.runtime.dwarf_inlines import instances

        _instances[path, name] = instances(reader, name)
    return _instances[path, name]
