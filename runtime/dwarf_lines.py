"""DWARF line tables: the address at which a source line begins.

Place in the pipeline: under `runtime.dwarf_reader`.  In: a file name, a line, a column.  Out: an address, or why
there is none. What a newcomer would get wrong: the file may be given by any tail of its path (`main.c`,
`src/main.c`), and only addresses that the compiler marked as the beginning of a statement count.
"""

from __future__ import annotations

from typing import NamedTuple

from pytrace.runtime import dwarf_forms as forms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytrace.runtime.dwarf_reader import Entry, Reader, Unit

_STMT_LIST, _COMP_DIR, _CALL_FILE, _CALL_LINE = 0x10, 0x1B, 0x58, 0x59


class Row(NamedTuple):
    address: int
    file: int
    line: int
    column: int


class Program(NamedTuple):
    """A line number program: its files by number, and where its instructions are."""

    files: list[str]
    begin: int
    end: int
    minimum: int
    default_statement: bool
    line_base: int
    line_range: int
    lengths: list[int]


def addresses(reader: Reader, file: str, line: int, column: int) -> int | str:
    """The lowest address of a statement at that place; or a text that says why there is none."""
    best: int | None = None
    known_file = False
    for unit in reader.own_units:
        found = _program(reader, unit)
        if found is None:
            continue
        data, program = found
        wanted = {n for n, name in enumerate(program.files) if _same_file(name, file)}
        if not wanted:
            continue
        known_file = True
        for row in _rows(data, program):
            if row.file in wanted and row.line == line and (not column or row.column == column):
                best = row.address if best is None else min(best, row.address)
    if best is not None:
        return best
    if not known_file:
        return f"DWARF error: No compilation unit matches {file}"
    return f"DWARF error: Unable to map '{file}:{line}{f':{column}' if column else ''}' to address"


def prologue_end(reader: Reader, unit: Unit, start: int) -> int:
    """Where a function that begins at `start` has stored its parameters: at its second line, as debuggers have it."""
    found = _program(reader, unit)
    if found is None:
        return start
    data, program = found
    return min((row.address for row in _rows(data, program) if row.address > start), default=start)


def file_of_call(reader: Reader, unit: Unit, entry: Entry) -> tuple[str, int]:
    """(file without its folder, line) of the call that was replaced by inlined code; "" where that is not known."""
    found = _program(reader, unit)
    number = entry.number(_CALL_FILE)
    if found is None or number >= len(found[1].files):
        return "", 0
    return found[1].files[number].rpartition("/")[2], entry.number(_CALL_LINE)


def _program(reader: Reader, unit: Unit) -> tuple[bytes, Program] | None:
    """The line table of a unit, with the section that it is in."""
    root = reader.root(unit)
    if root is None or not isinstance(root.attributes.get(_STMT_LIST), int):
        return None
    data = reader.section(".debug_line")
    return data, header(unit, data, root.number(_STMT_LIST), root.text(_COMP_DIR))


def _same_file(name: str, wanted: str) -> bool:
    """Whether `wanted` is `name` or a tail of it, whole path elements only."""
    ours, theirs = [p for p in wanted.split("/") if p not in ("", ".")], name.split("/")
    return theirs[-len(ours) :] == ours if ours else False


def header(unit: Unit, data: bytes, start: int, folder: str) -> Program:
    length, at, size = int.from_bytes(data[start : start + 4], "little"), start + 4, 4
    if length == 0xFFFFFFFF:
        length, at, size = int.from_bytes(data[at : at + 8], "little"), at + 8, 8
    end = at + length
    version = int.from_bytes(data[at : at + 2], "little")
    at += 2 + (2 if version >= 5 else 0)
    begin = at + size + int.from_bytes(data[at : at + size], "little")
    at += size
    minimum = data[at]
    at += 1 + (1 if version >= 4 else 0)
    default_statement, line_base, line_range, opcode_base = data[at], data[at + 1], data[at + 2], data[at + 3]
    at += 4
    lengths = [0, *data[at : at + opcode_base - 1]]
    at += opcode_base - 1
    files = _files5(unit, data, at) if version >= 5 else _files4(data, at, folder)
    base = line_base - 256 if line_base > 127 else line_base
    return Program(files, begin, end, minimum, bool(default_statement), base, line_range, lengths)


def _files4(data: bytes, at: int, folder: str) -> list[str]:
    """Tables of DWARF 2 to 4: folders from 1 (0 is the unit's), files from 1."""
    folders = [folder]
    while data[at]:
        text = forms.string(data, at)
        at += len(text) + 1
        folders.append(text)
    at += 1
    files = [""]
    while data[at]:
        text = forms.string(data, at)
        index, at = forms.uleb(data, at + len(text) + 1)
        _, at = forms.uleb(data, at)
        _, at = forms.uleb(data, at)
        files.append(_join(folders, index, text))
    return files


def _files5(unit: Unit, data: bytes, at: int) -> list[str]:
    folders_rows, at = _table(unit, data, at)
    files_rows, at = _table(unit, data, at)
    folders = [str(row.get(1, "")) for row in folders_rows]
    return [_join(folders, int(row.get(2, 0)), str(row.get(1, ""))) for row in files_rows]  # type: ignore[call-overload]


def _table(unit: Unit, data: bytes, at: int) -> tuple[list[dict[int, object]], int]:
    """A directory or file table of DWARF 5: what its rows hold, then the rows by content (1 path, 2 directory)."""
    count, at = data[at], at + 1
    description = []
    for _ in range(count):
        code, at = forms.uleb(data, at)
        form, at = forms.uleb(data, at)
        description.append((code, form))
    number, at = forms.uleb(data, at)
    rows = []
    for _ in range(number):
        row: dict[int, object] = {}
        for code, form in description:
            row[code], at = forms.read(data, at, form, unit)
        rows.append(row)
    return rows, at


def _join(folders: list[str], index: int, name: str) -> str:
    if name.startswith("/") or index >= len(folders) or not folders[index]:
        return name
    folder = folders[index]
    return f"{folder}/{name}" if folder.startswith("/") or not folders[0] else f"{folders[0]}/{folder}/{name}"


def places(data: bytes, program: Program) -> Iterator[tuple[int, int, int]]:
    """(address, file, line) of every row; line 0 behind the end of each piece of code."""
    for row in _rows(data, program, every=True):
        yield row.address, row.file, row.line


def _rows(data: bytes, program: Program, every: bool = False) -> Iterator[Row]:
    """The rows that begin a statement (section 6.2.5), or `every` one, also those that end a sequence (as line 0)."""
    at = program.begin
    address, file, line, column, statement = 0, 1, 1, 0, program.default_statement
    while at < program.end:
        code = data[at]
        at += 1
        if code >= len(program.lengths):
            code -= len(program.lengths)
            address += code // program.line_range * program.minimum
            line += program.line_base + code % program.line_range
            if statement or every:
                yield Row(address, file, line, column)
        elif code == 0:
            length, at = forms.uleb(data, at)
            if data[at] == 1:  # end of sequence
                if every:
                    yield Row(address, 0, 0, 0)
                address, file, line, column, statement = 0, 1, 1, 0, program.default_statement
            elif data[at] == 2:
                address = int.from_bytes(data[at + 1 : at + length], "little")
            at += length
        elif code == 1:
            if statement or every:
                yield Row(address, file, line, column)
        elif code == 2:
            value, at = forms.uleb(data, at)
            address += value * program.minimum
        elif code == 3:
            value, at = forms.sleb(data, at)
            line += value
        elif code == 4:
            file, at = forms.uleb(data, at)
        elif code == 5:
            column, at = forms.uleb(data, at)
        elif code == 6:
            statement = not statement
        elif code == 8:
            address += (255 - len(program.lengths)) // program.line_range * program.minimum
        elif code == 9:
            address += int.from_bytes(data[at : at + 2], "little")
            at += 2
        else:
            for _ in range(program.lengths[code]):
                _, at = forms.uleb(data, at)
