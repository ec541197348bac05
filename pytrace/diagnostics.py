"""Messages about the user's script, and the four kinds of failure.

Place in the pipeline: used by every stage; imports only `source`.  In: spans and texts.  Out: the
reference's exact message form (spec 07 §1).  What a newcomer would get wrong: a stage *collects*
diagnostics in `Diagnostics` and goes on; only a stage that cannot go on raises `ScriptError`.
"""

from __future__ import annotations

from pytrace.record import field, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytrace.source import Span

ERROR = "ERROR"
WARNING = "WARNING"

_COLOURS = {ERROR: "\x1b[31m", WARNING: "\x1b[33m"}
_RESET = "\x1b[0m"


@record
class Context:
    """A further location of a diagnostic ("This is the initial declaration.")."""

    message: str
    span: Span


@record
class Diagnostic:
    """One message about the script.  `span` None gives `ERROR: message` without a location."""

    severity: str
    message: str
    span: Span | None = None
    contexts: tuple[Context, ...] = ()
    hints: tuple[str, ...] = ()

    def render(self, colour: bool = False) -> str:
        """The message as spec 07 §1 shapes it, with a final newline."""
        out = [_entry(self.severity, self.message, self.span, colour)]
        out += [_entry(self.severity, c.message, c.span, colour) for c in self.contexts]
        out += [f"HINT: {hint}\n" for hint in self.hints]
        outer = self.span.expanded_from if self.span else None
        while outer:
            out.append(_entry(self.severity, "expanded from", outer, colour))
            outer = outer.expanded_from
        return "".join(out)


def _entry(severity: str, message: str, span: Span | None, colour: bool) -> str:
    head = f"{severity}: {message}" if span is None else f"{span.location()}: {severity}: {message}"
    if colour:
        head = f"{_COLOURS.get(severity, '')}{head}{_RESET}"
    return head + "\n" + (excerpt(span) if span else "")


def excerpt(span: Span) -> str:
    """The source line and the `~` marker line under it; several lines verbatim without a marker."""
    source = span.source
    line, col = source.line_col(span.start)
    end_line, end_col = source.line_col(max(span.end, span.start))
    if end_line != line:
        return "".join(source.line(n) + "\n" for n in range(line, end_line + 1))
    text = source.line(line)
    before = col - 1 + 3 * text.count("\t", 0, col - 1)  # a tab is shown as four blanks
    under = len(text[col - 1 : end_col - 1].replace("\t", "    "))
    return text.replace("\t", "    ") + "\n" + " " * before + "~" * under + "\n"


class Diagnostics:
    """The messages of one compilation, in the order in which they were found."""

    def __init__(self) -> None:
        self.items: list[Diagnostic] = []

    def error(
        self,
        message: str,
        span: Span | None = None,
        *,
        contexts: Iterable[Context] = (),
        hints: Iterable[str] = (),
    ) -> None:
        self._add(ERROR, message, span, contexts, hints)

    def warning(
        self,
        message: str,
        span: Span | None = None,
        *,
        contexts: Iterable[Context] = (),
        hints: Iterable[str] = (),
    ) -> None:
        self._add(WARNING, message, span, contexts, hints)

    def _add(
        self, severity: str, message: str, span: Span | None, contexts: Iterable[Context], hints: Iterable[str]
    ) -> None:
        if span is not None:
            if severity == WARNING and span.source.generated:
                return
            span = span.source.origin(span) or span
        found = Diagnostic(severity, message, span, tuple(contexts), tuple(hints))
        if found not in self.items:  # a body that is compiled once a probe speaks once
            self.items.append(found)

    @property
    def has_errors(self) -> bool:
        return any(d.severity == ERROR for d in self.items)

    def raise_errors(self) -> None:
        """Raise `ScriptError` if an error was collected."""
        if self.has_errors:
            raise ScriptError(self)

    def __iter__(self) -> Iterator[Diagnostic]:
        """All errors first, then all warnings, each in order of discovery (spec 07 §1).

        Errors in text that a program wrote are left out beside those in what the user wrote, from which they follow.
        """
        errors = [d for d in self.items if d.severity == ERROR]
        yield from [d for d in errors if d.span is None or not d.span.source.generated] or errors
        yield from (d for d in self.items if d.severity != ERROR)

    def render(self, colour: bool = False, warnings: bool = True) -> str:
        return "".join(d.render(colour) for d in self if warnings or d.severity == ERROR)


class PytraceError(Exception):
    """Base of everything that pytrace raises on purpose.  `exit_status`: what the command exits with."""

    exit_status = 1


class ScriptError(PytraceError):
    """The user's script is wrong; `diagnostics` says where and how."""

    def __init__(self, diagnostics: Diagnostics, exit_status: int = 1) -> None:
        super().__init__(diagnostics.render())
        self.diagnostics = diagnostics
        self.exit_status = exit_status


class UsageError(PytraceError):
    """The command line is wrong.  `usage`: also print the usage text."""

    def __init__(self, message: str, *, usage: bool = False, hint: str = "", exit_status: int = 1) -> None:
        super().__init__(message)
        self.usage = usage
        self.hint = hint
        self.exit_status = exit_status


class MachineError(PytraceError):
    """The machine cannot do it: missing privilege, mount, feature, file.  `advice`: what to do about it."""

    exit_status = 255

    def __init__(self, message: str, *, advice: str = "", exit_status: int = 255) -> None:
        super().__init__(message)
        self.advice = advice
        self.exit_status = exit_status


class KernelError(MachineError):
    """The kernel refused an operation.  `operation` names it (`BPF_MAP_CREATE @x`), `errno` is positive."""

    def __init__(self, operation: str, errno: int, *, advice: str = "") -> None:
        from os import strerror

        super().__init__(f"{operation}: {strerror(errno)}", advice=advice)
        self.operation = operation
        self.errno = errno


@record
class VerifierLine:
    """A line of the script at which the verifier stopped."""

    location: str
    excerpt: str = field(default="")


class VerifierError(MachineError):
    """The verifier refused a program: short `cause`, the script's `line` if known, the full `log`."""

    def __init__(
        self, message: str, *, cause: str, log: str, line: VerifierLine | None = None, advice: str = ""
    ) -> None:
        super().__init__(message, advice=advice)
        self.cause = cause
        self.log = log
        self.line = line


class InternalError(PytraceError):
    """A bug of ours: the pass and the node.  Reported as `BUG:` with a request to report it."""

    exit_status = 255

    def __init__(self, where: str, what: str, span: Span | None = None) -> None:
        super().__init__(f"{where}: {what}")
        self.where = where
        self.what = what
        self.span = span
