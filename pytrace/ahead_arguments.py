"""The command line of programs that were compiled ahead, and of `--aot` itself.

Place in the pipeline: under `cli`, loaded only for the two.  In: argv.  Out: an Invocation; UsageError.  What a
newcomer would get wrong: the options are rows of `option_table.OPTIONS`, the same as the command's; here stands only
which of them still have a meaning when there is nothing left to compile.
"""

from __future__ import annotations

from pytrace.arguments import check_format, split
from pytrace.diagnostics import UsageError
from pytrace.option_table import OPTIONS, Invocation, OptionDef
from pytrace.record import replace

_AHEAD = (
    "cmd", "dry-run", "dwarf-pid", "help", "no-warnings", "output", "pid", "probe-filter", "quiet", "verbose",
    "version", "B", "f",
)  # fmt: skip
"""The options of a program that was compiled ahead: the others have had their effect when it was compiled."""
_OTHERWISE = {"cmd": "run CMD and trace it", "help": "show this help message", "verbose": "enable verbose messages"}
"""What some of them do when all probes are known beforehand."""


def _of_ahead() -> tuple[OptionDef, ...]:
    return tuple(o for o in OPTIONS if o.name in _AHEAD)


def ahead_usage(program: str, script: str) -> str:
    """What `--help` of a program that was compiled ahead says."""
    from pytrace.usage import option_help

    table = {o.name: o for o in _of_ahead()}
    rows = (replace(table[n], doc=_OTHERWISE.get(n, table[n].doc), shown="") for n in _AHEAD)
    head = f"{program} - compiled ahead by pytrace from {script}\n\nUSAGE:\n    {program} [options]\n\nOPTIONS:\n"
    return head + "".join(map(option_help, rows))


def parse_ahead(argv: list[str], inv: Invocation) -> None:
    """The command line of a program that was compiled ahead, into `inv`.  Raises UsageError."""
    try:
        given, words, after = split(argv, _of_ahead())
        if words or after:
            word = (words + after)[0]
            raise UsageError(f"unexpected parameter '{word}': those of the script were fixed when it was compiled")
        for option, value in given:
            option.apply(inv, value)
            if inv.action != "run":
                return
    except UsageError as error:
        hint = "--help tells the options; the others of pytrace had their effect when the script was compiled"
        raise UsageError(str(error).removeprefix("USAGE: "), hint=hint) from None
    if inv.options.command and inv.pid_text:
        raise UsageError("Cannot use both -c and -p.")
    check_format(inv.options)


def check_ahead(inv: Invocation) -> None:
    """Raise UsageError for options that have no meaning beside --aot."""
    if inv.options.command or inv.pid_text:
        raise UsageError("--aot: -c and -p belong to the run", hint="give them to the file that is written")
    if inv.options.mode:
        raise UsageError(f"USAGE: --aot conflicts with --mode {inv.options.mode}")
    if inv.action == "list":
        raise UsageError("USAGE: --aot conflicts with --list")
