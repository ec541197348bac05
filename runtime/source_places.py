"""Functions and source lines for places in files, as stacks show them with `show_debug_info`.

Place in the pipeline: under `runtime.symbols`.  In: a file and an offset in it.  Out: (name, `@DIR/FILE:LINE`) for each
function that the place is in, the innermost first.  What a newcomer would get wrong: the address of a caller's frame is
where it goes on, which may belong to the next line, or to no function; the call is in front of it.
"""

from __future__ import annotations

from pytrace.runtime import dwarf
from pytrace.runtime.dwarf_reader import DAMAGE, DwarfError
from pytrace.runtime.elf import ElfError, ElfFile
from pytrace.runtime.symbol_table import demangled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.runtime.dwarf_frames import Frames
    from pytrace.runtime.elf import Segment


class Sources:
    """The debug information of all files of a run; `demangle`: C++ names as they were written."""

    def __init__(self, demangle: bool) -> None:
        self._demangle = demangle
        self._files: dict[tuple[str, str], tuple[list[Segment], Frames | None]] = {}

    def at(self, path: str, offset: int, owner: str, outer: bool) -> list[tuple[str, str]]:
        """The functions at a file offset; [] without debug information.  `owner`: the program for which `path` holds;
        `outer`: a caller's frame."""
        key = path, owner
        if key not in self._files:
            self._files[key] = _open(path)
        segments, frames = self._files[key]
        if frames is None:
            return []
        offset -= outer
        for s in segments:
            if s.executable and s.offset <= offset < s.offset + s.size:
                try:
                    found = frames.at(offset - s.offset + s.address)
                except (*DAMAGE, DwarfError):
                    return []
                return [(self._shown(f.name), f"@{f.file}:{f.line}" if f.file and f.line else "") for f in found]
        return []

    def _shown(self, name: str) -> str:
        return demangled(name) if self._demangle else name


def _open(path: str) -> tuple[list[Segment], Frames | None]:
    try:
        return ElfFile(path).segments, dwarf.frames(path)
    except (ElfError, OSError, DwarfError):
        return [], None
