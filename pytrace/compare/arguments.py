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
from pytrace.option_table import OptionDef
from pytrace.record import field, record

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


OPTIONS = (
    OptionDef("against", "", "PATH", _set("against")),
    OptionDef("all", "", "", _set("show_all", value=True)),
    OptionDef("as", "", "FORM", _set("compared", _one_of("--as", "text", "json"))),
    OptionDef("cmd", "c", "CMD", _set("command")),
    OptionDef("duration", "", "SECONDS", _set("duration", _seconds)),
    OptionDef("help", "h", "", _set("wants_help", value=True)),
    OptionDef("include", "", "FILE", _pass("--include")),
    OptionDef("messages", "", "", _set("count_messages", value=True)),
    OptionDef("order", "", "HOW", _set("order", _one_of("--order", *ORDERS))),
    OptionDef("pid", "p", "PID", _pass("-p")),
    OptionDef("runs", "", "N", _set("runs", _count)),
    OptionDef("tolerance", "", "HOW", _tolerance),
    OptionDef("unsafe", "", "", _pass("--unsafe", takes=False)),
    OptionDef("warnings", "k", "", _pass("-k", takes=False)),
    OptionDef("workload", "", "CMD", _set("workload")),
    OptionDef("", "I", "DIR", _pass("-I")),
    OptionDef("", "e", "PROGRAM", _set("script")),
    OptionDef("", "f", "FORMAT", _set("form", _one_of("-f", "text", "json"))),
)

USAGE = """\
pytrace compare - run a script with real bpftrace and with pytrace, and compare what they print

USAGE:
    pytrace compare [options] filename [parameters] [-- named parameters]
    pytrace compare [options] -e 'program' [parameters] [-- named parameters]

WHAT RUNS:
    -e 'program'        compare this program
    -c, --cmd CMD       run the two in turn, each with a fresh CMD
                        (without it both run at the same time and see the same activity)
    --workload CMD      run CMD once, when both have attached; its end is the end of both
    --duration SECONDS  end both after so many seconds (without it: when they end by themselves,
                        or at Ctrl-C)
    --runs N            do it N times; only what differs every time is a difference
    --against PATH      the bpftrace to compare with (without it: the first one on PATH)
    -p, --pid PID   -I DIR   --include FILE   --unsafe   -k, --warnings
                        passed on to both

WHAT COUNTS:
    --tolerance HOW     by how much numbers may differ: 5% (of the larger one), 3 (by so much) or any;
                        for one map @name=5%, for one key @name[key]=3, for the number of printed
                        lines and the numbers in them lines=5%; several with commas between them,
                        the most particular one decides.  Of a histogram, a percentage is of all that
                        it counts, and holds for each bucket
    --order HOW         the order of printed lines: 'exact', 'any', or 'auto': it counts if each of the
                        two keeps to its own order in further runs
    --as FORM           what is compared: 'text', or 'json', which both then print
    --messages          what is printed on standard error counts too

THE REPORT:
    -f FORMAT           'text' or 'json'
    --all               every difference, not only the first ones
    -h, --help          show this help message

EXIT STATUS:
    0  equal, or equal within the tolerance
    1  different
    2  could not compare: no bpftrace, a script that an old bpftrace does not know, no permission

EXAMPLES:
    pytrace compare -c 'ls /' -e 'tracepoint:syscalls:sys_enter_openat { @[comm, str(args.filename)] = count(); }'
    pytrace compare --duration 5 --tolerance 5% -e 'tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }'
    pytrace compare --workload 'make -C src' --runs 3 opens.bt
"""


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
