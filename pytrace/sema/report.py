"""Messages of the typing passes, kept until it is certain that they are said.

Place in the pipeline: between inference and `Diagnostics`.  In: messages, each with the phase it belongs to.  Out: the
order and selection of the reference, whose separate passes stop after the first one with an error.  What a newcomer
would get wrong: one walk of ours does the work of several of those passes, so the order of discovery is not the order
of printing.
"""

from __future__ import annotations

from pytrace.diagnostics import ERROR, WARNING
from pytrace.record import field, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytrace.diagnostics import Context, Diagnostics
    from pytrace.source import Span

EARLY = -1
"""What rows of builtin values and aggregates object to."""
COLLECT = 0
"""Names that nothing answers to."""
RESOLVE = 1
"""Types that cannot be joined."""
CONVERT = 2
"""Implicit conversions."""
CHECK = 3
"""What each construct asks of its operands."""

_GROUPS = ((EARLY,), (COLLECT, RESOLVE), (CONVERT, CHECK))


@record(frozen=False)
class Message:
    severity: str
    phase: int
    message: str
    span: Span
    contexts: tuple[Context, ...]
    hints: tuple[str, ...]


@record(frozen=False)
class Report:
    """Collects messages; `flush` passes them on."""

    messages: list[Message] = field(default_factory=list)
    said: set[tuple[object, ...]] = field(default_factory=set)

    def error(
        self, phase: int, message: str, span: Span, *, contexts: Iterable[Context] = (), hints: Iterable[str] = ()
    ) -> None:
        self.messages.append(Message(ERROR, phase, message, span, tuple(contexts), tuple(hints)))

    def warning(
        self, phase: int, message: str, span: Span, *, contexts: Iterable[Context] = (), hints: Iterable[str] = ()
    ) -> None:
        self.messages.append(Message(WARNING, phase, message, span, tuple(contexts), tuple(hints)))

    def once(self, phase: int, what: str, span: Span, message: str, hints: Iterable[str] = ()) -> None:
        """An error that is found again in every round of inference; the first wording stays."""
        key = (what, span)
        if key not in self.said:
            self.said.add(key)
            self.error(phase, message, span, hints=hints)

    @property
    def has_errors(self) -> bool:
        return any(m.severity == ERROR for m in self.messages)

    def flush(self, diagnostics: Diagnostics) -> None:
        """Hand over the phases in order, stopping (ScriptError) after a group with errors."""
        for group in _GROUPS:
            for phase in group:
                for m in self.messages:
                    if m.phase != phase:
                        continue
                    say = diagnostics.error if m.severity == ERROR else diagnostics.warning
                    say(m.message, m.span, contexts=m.contexts, hints=m.hints)
            diagnostics.raise_errors()
        self.messages.clear()
