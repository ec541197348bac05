"""From runs of records to the rows' handlers.

Place in the pipeline: between the ring and the output.  In: `Run` and `Mixed`.  Out: calls of the rows' handlers, or,
for rows with `bind_batch` and an output that takes bytes, one call a run.  What a newcomer would get wrong: handlers
are bound when their first record comes, so a script pays only for the rows that fire; and after an exit was requested
the rest is dropped, also in the middle of a run.
"""

from __future__ import annotations

from pytrace.runtime.ring import Mixed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytrace.facets import Handling
    from pytrace.program import EventSpec, Program
    from pytrace.registry import Def, Handler
    from pytrace.runtime.ring import Run

    Batch = Callable[[list[bytes]], bytes]

"""The text of a run; if it also has `each`, that gives the texts of its records."""

_FEW = 16
"""Fewer records are handled one by one."""


class Dispatcher:
    """Handles records until `stopped` is set."""

    def __init__(self, program: Program, rows: Callable[[str], Def], session: Handling, output: Any) -> None:
        self._events = program.events
        self._rows = rows
        self._session = session
        self._output = output
        self._handlers: dict[int, Handler] = {}
        self._batches: dict[int, Batch | None] = {}
        self._ordered: set[bytes] = set()
        """The events, as their records begin, whose records must be handled in their place among others."""
        self.stopped = False

    def use(self, output: Any) -> None:
        """Send what follows to another output (tests capture theirs); handlers are bound again."""
        self._output = output
        self._handlers.clear()
        self._batches.clear()
        self._ordered.clear()

    def process(self, run: Run | Mixed) -> None:
        """Handle all records of a run, in order."""
        if self.stopped:
            return
        if isinstance(run, Mixed):
            self._each(run.records())
            return
        batch = self._batch(run.event)
        if batch is not None:
            self._output.write(batch(run.records()))
            return
        handler = self._handler(run.event)
        for record in run.records():
            handler(record)
            if self.has_stopped():
                return

    def _each(self, records: list[bytes]) -> None:
        """Records of several events: those whose texts can be made apart from their order are formatted by event."""
        if records[0][:8] in self._ordered:
            self._one_by_one(records)
            return
        places: dict[bytes, list[int]] = {}
        for n, record in enumerate(records):
            places.setdefault(record[:8], []).append(n)
        forms = [getattr(self._batch(int.from_bytes(key, "little")), "each", None) for key in places]
        if len(records) < _FEW or None in forms:
            self._ordered.update(key for key, form in zip(places, forms, strict=True) if form is None)
            self._one_by_one(records)
            return
        texts = [b""] * len(records)
        for form, where in zip(forms, places.values(), strict=True):
            assert form is not None
            for n, text in zip(where, form([records[n] for n in where]), strict=True):
                texts[n] = text
        self._output.write(b"".join(texts))

    def _one_by_one(self, records: list[bytes]) -> None:
        handlers: dict[bytes, Handler] = {}
        for record in records:
            handler = handlers.get(record[:8])
            if handler is None:
                handler = handlers[record[:8]] = self._handler(int.from_bytes(record[:8], "little"))
            handler(record)
            if self.stopped:
                return

    def has_stopped(self) -> bool:
        return self.stopped

    def _handler(self, event: int) -> Handler:
        found = self._handlers.get(event)
        if found is None:
            spec = self._spec(event)
            row: Any = self._rows(spec.row)
            found = self._handlers[event] = row.bind(self._session, spec)
        return found

    def _batch(self, event: int) -> Batch | None:
        if event not in self._batches:
            spec = self._spec(event)
            bind: Any = getattr(self._rows(spec.row), "bind_batch", None)
            self._batches[event] = bind(self._session, spec) if bind and self._output.batches else None
        return self._batches[event]

    def _spec(self, event: int) -> EventSpec:
        try:
            return self._events[event]
        except IndexError:
            from pytrace.diagnostics import InternalError

            raise InternalError("runtime.events", f"a record of unknown event {event}") from None
