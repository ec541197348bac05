"""Attach points: as a script writes them, and as the concrete places that they turn out to be.

Place in the pipeline: what the rows of probes (`registry.ProbeDef`) and `sema.attach` hand each other.  In: nothing.
Out: `Pattern`, `AttachPoint`, and the `AttachSite` through which a row sees the script and the machine.  What a
newcomer would get wrong: one pattern may become no attach point, one, or thousands, and one attach point may attach
to many functions (a multi link).
"""

from __future__ import annotations

from pytrace.record import field, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, Protocol

    from pytrace.registry import ProbeDef
    from pytrace.source import Span
    from pytrace.target import Target
    from pytrace.types import Struct, Type

    class Reporter(Protocol):
        """Reports at an attach point."""

        def __call__(self, message: str, *, hints: Iterable[str] = (), other: tuple[str, Span] | None = None) -> None:
            """`other`: a further location with its own message."""
            ...


@record
class AttachPoint:
    """A concrete attach point, all patterns expanded.

    `name`: canonical (spec 03 §1).  `params`: plain values for ProbeSpec.  `args`: the struct of `args`, or None.
    `retval`: its type where there is one.  `program_type`/`attach_type`/`attach_to`/`module`: see ProgramSpec.
    """

    provider: ProbeDef
    name: str
    span: Span
    params: Mapping[str, Any] = field(default_factory=dict)
    args: Struct | None = None
    args_problem: Callable[[], str] | None = field(default=None, compare=False)
    """Why `args` cannot be used, "" if they can; asked only when a body uses them, and reported at the attach point."""
    retval: Type | None = None
    program_type: str = ""
    attach_type: str = ""
    attach_to: str = ""
    module: str = ""
    function: str = ""
    """What `func` would show, "" where unknown."""
    attachments: int = 1
    """How many functions or events this one attaches to (multi links), for `Attached N probes`."""
    inlined: bool = False
    """Whether it is code that was inlined, or has such among its places: nothing is where a call would put it."""
    where: Callable[[], str] | None = field(default=None, compare=False)
    """How messages name its place in the program: `in first (inlined.c:18)`."""
    session: str = ""
    """What a probe and its return probe have in common when they may become one program (`ProbeDef.session`)."""


@record(frozen=False)
class Pattern:
    """One attach point as written, split and read by its row, patterns not expanded yet.

    `function` may be an event's name; `rate` is a frequency, period or count.
    """

    provider: ProbeDef
    target: str = ""
    language: str = ""
    namespace: str = ""
    program_id: int = 0
    function: str = ""
    offset: int = 0
    address: int = 0
    rate: int = 0
    length: int = 0
    mode: str = ""
    pin: str = ""
    file: str = ""
    line: int = 0
    column: int = 0

    @property
    def name(self) -> str:
        """The canonical probe name (spec 03 §1)."""
        parts = [self.provider.name, self.target, self.language, self.namespace]
        parts.append(str(self.program_id) if self.program_id else "")
        if self.function:
            parts.append(f"{self.function}+{self.offset}" if self.offset else self.function)
        parts += [str(n) if n else "" for n in (self.address, self.rate, self.length)]
        return ":".join(p for p in (*parts, self.mode) if p)


@record
class AttachSite:
    """What a ProbeDef's `parse`, `check` and `expand` may look at."""

    target: Target
    config: Mapping[str, Any]
    span: Span
    pid: int | None
    has_child: bool
    unsafe: bool
    positional: tuple[str, ...]
    wants_separate: bool
    """The body uses `probe` or differs by attach point: no multi links."""
    wants_places: bool
    """The body uses what is elsewhere at each place of a function that was inlined (VariableDef.by_place)."""
    error: Reporter
    warning: Reporter
    skip_invalid: bool = False
    """Made from a provider with a wildcard: `parse` returns None silently when the number of parts does not fit."""
    shared: dict[str, Any] = field(default_factory=dict)
    """Of all attach points of the script, for rows that must not repeat."""
    siblings: dict[str, Any] = field(default_factory=dict)
    """Of the attach points of one probe."""
