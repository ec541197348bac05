"""BTF types by pattern, as names or as C definitions, for `-l 'struct X'`.

Place in the pipeline: under `runtime.machine`.  In: `struct in_*`.  Out: (module, text), sorted by text.  What a
newcomer would get wrong: libbpf writes what a definition needs before it, so a dump of one type holds several, and
only those whose heads match are wanted; the same definition in several modules is shown once, for vmlinux if it is
there.
"""

from __future__ import annotations

from pytrace.runtime.btf import ENUM, ENUM64, STRUCT, UNION
from pytrace.wildcard import matcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytrace.runtime.btf import Btf, BtfObject

_TAGS = {STRUCT: "struct ", UNION: "union ", ENUM: "enum ", ENUM64: "enum "}


def matching_types(btf: Btf, search: str, definitions: bool) -> list[tuple[str, str]]:
    """(module, `struct X` or its definition) of the types whose tag and name match `search`, sorted by text."""
    found: dict[str, list[str]] = {}
    for part in btf.objects():
        for text in set(_definitions(part, search) if definitions else (name for _, name in _named(part, search))):
            found.setdefault(text, []).append(part.name)
    rows = []
    for text in sorted(found):
        modules = found[text]
        rows += [(m, text) for m in (["vmlinux"] if "vmlinux" in modules else modules)]
    return rows


def all_definitions(btf: Btf) -> str:
    """All of vmlinux's types as one C header, about 4 MiB; half a second."""
    dumper = btf.vmlinux.dumper()
    try:
        return dumper.definitions(range(btf.vmlinux.first, btf.vmlinux.end))
    finally:
        dumper.close()


def _named(part: BtfObject, search: str) -> Iterator[tuple[int, str]]:
    matches = matcher(search)
    for type_id, kind, name, _ in part.walk():
        tag = _TAGS.get(kind)
        if tag and name:
            text = tag + part.string(name)
            if matches(text):
                yield type_id, text


def _definitions(part: BtfObject, search: str) -> Iterator[str]:
    matches = matcher(search)
    dumper = part.dumper()
    try:
        for type_id, _ in list(_named(part, search)):
            for text in _split(dumper.definition(type_id)):
                if matches(text[: text.index(" {")]):
                    yield text
    finally:
        dumper.close()


def _split(dump: str) -> Iterator[str]:
    """The struct, union and enum definitions of a dump, each with its final newline."""
    lines: list[str] = []
    for line in dump.split("\n"):
        if lines:
            lines.append(line)
            if line.startswith("}"):
                yield "\n".join(lines) + "\n"
                lines = []
        elif line.endswith(" {") and line.startswith(("struct ", "union ", "enum ")):
            lines = [line]
