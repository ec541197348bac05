"""The words behind `pytrace compare`.

Place in the pipeline: under `command`.  In: argv.  Out: a `Request`; UsageError.  What a newcomer would get wrong: what
both tracers are to be told (`-p`, `--unsafe` …) is kept as words, in the order given; `-c`, `-f` and `-e` are not
among them.
"""

from __future__ import annotations

from pytrace.arguments import split
from pytrace.compare.tolerance import Tolerance, parse
from pytrace.compare.verdict import ORDERS
from pytrace.diagnostics import UsageError
from pytrace.option_table import FORMATS, OptionDef
from pytrace.record import field, record
from pytrace.usage import option_help

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


@record(frozen=False)
class Request:
    """What is to be compared, and how.  `script`: the text of -e, or None; `passed`: options for both tracers;
    `parameters`: of the script, named ones with their `--`."""

    script: str | None = None
    file: str = ""
    command: str = ""
    against: str = ""
    workload: str = ""
    duration: float | None = None
    runs: int = 1
    tolerance: Tolerance = field(default_factory=Tolerance)
    order: str = "auto"
    compared: str = "text"
    count_messages: bool = False
    form: str = "text"
    show_all: bool = False
    passed: tuple[str, ...] = ()
    positional: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    wants_help: bool = False

    @property
    def together(self) -> bool:
        """Whether both run at the same time: with `-c` each needs a command of its own."""
        return not self.command

    def words(self) -> list[str]:
        """What both tracers are called with."""
        script = ["-e", self.script] if self.script is not None else [self.file]
        command = ["-c", self.command] if self.command else []
        form = ["-f", "json"] if self.compared == "json" else []
        return [*self.passed, *form, *command, *script, *self.positional, *(["--", *self.named] if self.named else [])]


def _set(name: str, convert: Callable[[str], Any] = str, **constant: Any) -> Callable[[Any, str], None]:
    def apply(request: Request, text: str) -> None:
        setattr(request, name, constant.get("value") if constant else convert(text))

    return apply


def _pass(option: str, takes: bool = True) -> Callable[[Any, str], None]:
    def apply(request: Request, text: str) -> None:
        request.passed += (option, text) if takes else (option,)

    return apply


def _tolerance(request: Request, text: str) -> None:
    request.tolerance = Tolerance(request.tolerance.rules + parse(text))


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e7:
        raise UsageError(f"--duration takes seconds, not '{text}'")
    return seconds


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 1000:
        raise UsageError(f"--runs takes a number from 1 to 1000, not '{text}'")
    return int(text)


def _one_of(option: str, *words: str) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if text not in words:
            raise UsageError(f"{option} takes {', '.join(words[:-1])} or {words[-1]}, not '{text}'")
        return text

    return convert


_RUN = (
    OptionDef("", "e", "PROGRAM", _set("script"), "compare this program", shown="'program'"),
    OptionDef(
        "cmd", "c", "CMD", _set("command"),
        "run the two in turn, each with a fresh CMD; without it both run at the same time and see the same activity",
    ),
    OptionDef(
        "workload", "", "CMD", _set("workload"), "run CMD once, when both have attached; its end is the end of both"
    ),
    OptionDef(
        "duration", "", "SECONDS", _set("duration", _seconds),
        "end both after so many seconds; without it they run until they end by themselves, or until Ctrl-C",
    ),
    OptionDef("runs", "", "N", _set("runs", _count), "do it N times: only what differs every time is a difference"),
    OptionDef(
        "against", "", "PATH", _set("against"),
        "the bpftrace to compare with; without it the first one on PATH that is not pytrace",
    ),
)  # fmt: skip
_PASSED = (
    OptionDef("pid", "p", "PID", _pass("-p"), "filter actions and enable USDT probes on PID"),
    OptionDef("", "I", "DIR", _pass("-I"), "add the directory to the include search path"),
    OptionDef("include", "", "FILE", _pass("--include"), "add an #include file before preprocessing"),
    OptionDef("unsafe", "", "", _pass("--unsafe", takes=False), "allow unsafe/destructive functionality"),
    OptionDef("warnings", "k", "", _pass("-k", takes=False), "emit a warning when probe read helpers return an error"),
)
_COUNTED = (
    OptionDef(
        "tolerance", "", "HOW", _tolerance,
        "by how much numbers may differ: 5% (of the larger one), 3 (by so much) or any; for one map @name=5%, for one "
        "key @name[key]=3; lines=5% for the numbers in printed lines, and for how many of them may be missing; several "
        "with commas, the most particular one decides.  Of a histogram, a percentage is of all that it counts",
    ),
    OptionDef(
        "order", "", "HOW", _set("order", _one_of("--order", *ORDERS)),
        "the order of printed lines; auto: it counts if each of the two keeps to its own in further runs",
        values=ORDERS,
    ),
    OptionDef("as", "", "FORM", _set("compared", _one_of("--as", *FORMATS)), "what both print", values=FORMATS),
    OptionDef("messages", "", "", _set("count_messages", value=True), "what is on standard error counts too"),
)  # fmt: skip
_REPORT = (
    OptionDef("", "f", "FORMAT", _set("form", _one_of("-f", *FORMATS)), "form of the report", values=FORMATS),
    OptionDef("all", "", "", _set("show_all", value=True), "every difference, not only the first ones"),
    OptionDef("help", "h", "", _set("wants_help", value=True), "show this help message"),
)
SECTIONS = (
    ("WHAT RUNS", _RUN), ("PASSED ON TO BOTH", _PASSED), ("WHAT COUNTS", _COUNTED), ("THE REPORT", _REPORT),
)  # fmt: skip
OPTIONS = tuple(option for _, group in SECTIONS for option in group)

_HEAD = """\
pytrace compare - run a script with real bpftrace and with pytrace, and compare what they print

USAGE:
    pytrace compare [options] filename [parameters] [-- named parameters]
    pytrace compare [options] -e 'program' [parameters] [-- named parameters]

"""
_TAIL = """\
EXIT STATUS:
    0  equal, or equal within the tolerance
    1  different
    2  could not compare: no bpftrace, a script that an old bpftrace does not know, no permission

EXAMPLES:
    pytrace compare -c 'ls /' -e 'tracepoint:syscalls:sys_enter_openat { @[comm] = count(); }'
        in turn, each with an ls of its own
    pytrace compare --duration 5 --tolerance 5% -e 'tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }'
        at the same time, on whatever goes on
    pytrace compare --workload 'make -C src' --runs 3 opens.bt
        at the same time, on what make does
"""


def usage() -> str:
    """What `pytrace compare --help` says."""
    groups = [f"{heading}:\n{''.join(map(option_help, options))}\n" for heading, options in SECTIONS]
    return _HEAD + "".join(groups) + _TAIL


def request(argv: list[str]) -> Request:
    """What `argv`, the words behind `compare`, ask for.  Raises UsageError."""
    given, words, after = split(argv, OPTIONS)
    asked = Request()
    for option, value in given:
        option.apply(asked, value)
        if asked.wants_help:
            return asked
    if asked.script is None:
        rest = words or after
        if not rest:
            raise UsageError("USAGE: filename or -e 'program' required.", hint="pytrace compare --help")
        asked.file = rest.pop(0)
    if asked.command and asked.workload:
        raise UsageError("-c and --workload exclude each other: with -c each tracer starts its own command")
    if asked.command and "-p" in asked.passed:
        raise UsageError("Cannot use both -c and -p.")
    asked.positional = tuple(words)
    asked.named = tuple(after)
    return asked
