"""The command line of programs that were compiled ahead, and of `--aot` itself.

Place in the pipeline: under `cli`, loaded only for the two.  In: argv.  Out: an Invocation; UsageError.  What a
newcomer would get wrong: the options are rows of `arguments.OPTIONS`, the same as the command's; here stands only which
of them still have a meaning when there is nothing left to compile.
"""

from __future__ import annotations

from pytrace.arguments import OPTIONS, Invocation, OptionDef, check_format, split
from pytrace.diagnostics import UsageError

_AHEAD = (
    ("cmd", "run CMD and trace it"),
    ("dry-run", "end right after attaching all the probes"),
    ("dwarf-pid", "add additional pids to the DWARF-unwinder"),
    ("help", "show this help message"),
    ("no-warnings", "disable all warning messages"),
    ("output", "redirect output to FILE"),
    ("pid", "filter actions and enable USDT probes on PID"),
    ("probe-filter", "only run probes whose name matches REGEX"),
    ("quiet", "keep messages quiet"),
    ("verbose", "enable verbose messages"),
    ("version", "version"),
    ("B", "output buffering mode ('line', 'full', 'none')"),
    ("f", "output format ('text', 'json')"),
)
"""The options of a program that was compiled ahead: the others have had their effect when it was compiled."""


def _of_ahead() -> tuple[OptionDef, ...]:
    names = [name for name, _ in _AHEAD]
    return tuple(o for o in OPTIONS if (o.long or o.short) in names)


def ahead_usage(program: str, script: str) -> str:
    """What `--help` of a program that was compiled ahead says."""
    lines = [f"{program} - compiled ahead by pytrace from {script}", "", "USAGE:", f"    {program} [options]", ""]
    lines.append("OPTIONS:")
    table = {o.long or o.short: o for o in OPTIONS}
    for name, meaning in _AHEAD:
        option = table[name]
        spelling = ", ".join(filter(None, (option.short and f"-{option.short}", option.long and f"--{option.long}")))
        lines.append(f"    {f'{spelling} {option.argument}'.strip():<20} {meaning}")
    return "\n".join(lines) + "\n"


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
