"""A compiled BPF object that a script imports: its functions, maps and data, ready to be linked.

Place in the pipeline: beside `target`; read by `runtime.bpf_object`, asked by sema (what can be called, with which
types), linked by `codegen.imported`.  In: nothing.  Out: plain records.  What a newcomer would get wrong: indices count
8-byte instructions from the start of the *function*, and offsets into data are bytes of the named section.
"""

from __future__ import annotations

from pytrace.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pytrace.types import Enum, Type


@record
class ObjectRelocation:
    """Instruction `index` refers to something.

    `kind`: function (a call) and callback (the address) of function `name`; extern (a call of what another import must
    define); kfunc (a call of the kernel's); map; data (byte `addend` of section `name`); ksym (a kernel variable).
    """

    index: int
    kind: str
    name: str
    addend: int = 0


@record
class ObjectLine:
    """What a place of the C source says; lines and columns from 1."""

    index: int
    file: str
    line: int
    column: int
    text: str


@record
class CoreRelocation:
    """`struct bpf_core_relo` of linux/bpf.h but for the index: the kernel adapts the instruction to its own types."""

    index: int
    type_id: int
    access: int
    kind: int


@record
class ObjectFunction:
    """`name` is unique in the object; `exported`: scripts may call it.  `btf_id`: its FUNC in the object's BTF."""

    name: str
    exported: bool
    code: bytes
    relocations: tuple[ObjectRelocation, ...]
    lines: tuple[ObjectLine, ...]
    core: tuple[CoreRelocation, ...]
    btf_id: int
    params: tuple[tuple[str, Type], ...]
    result: Type


@record
class ObjectMap:
    """A map of section .maps; sizes in bytes, `kind` as in `MapSpec`."""

    name: str
    kind: str
    key_size: int
    value_size: int
    max_entries: int
    flags: int


@record
class ObjectData:
    """A section of data; `constant`: programs may only read it."""

    name: str
    content: bytes
    constant: bool


@record(eq=False)
class BpfObject:
    """`programs`: names of what has a section of its own for the loader to attach, which nobody does here.
    `notes`: what the C compiler had to say."""

    path: str
    functions: dict[str, ObjectFunction]
    maps: tuple[ObjectMap, ...]
    data: tuple[ObjectData, ...]
    btf: bytes
    type_named: Callable[[str, str], Type | None]
    enumerator: Callable[[str], tuple[Enum, int] | None]
    programs: tuple[str, ...] = ()
    notes: str = ""


class ObjectRefused(Exception):
    """Why something cannot be imported: the message and hints of a diagnostic at the import."""

    def __init__(self, message: str, *hints: str) -> None:
        super().__init__(message)
        self.message, self.hints = message, hints
