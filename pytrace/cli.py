"""The command line: what each invocation does, and which exit status each kind of failure has (spec 06 §3).

Place in the pipeline: the top.  In: argv.  Out: an exit status; all messages on stderr in the reference's words.  What
a newcomer would get wrong: this module imports next to nothing, since it is on the path of every start.
"""

from __future__ import annotations

import gc
import os
import sys

from pytrace.arguments import check_format, parse
from pytrace.diagnostics import InternalError, MachineError, PytraceError, ScriptError, UsageError, VerifierError
from pytrace.option_table import Invocation
from pytrace.preconditions import check_privileges, checked_pid
from pytrace.source import write
from pytrace.version import REFERENCE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from pytrace.options import Options
    from pytrace.source import Source


def _colour() -> bool:
    """BPFTRACE_COLOR: always, never, auto (both stdout and stderr are terminals)."""
    mode = os.environ.get("BPFTRACE_COLOR", "auto")
    if mode in ("always", "never"):
        return mode == "always"
    if mode != "auto":
        _say(
            "WARNING: Invalid env value! The valid values of `BPFTRACE_COLOR` are [auto|always|never]. "
            f"The current value is {mode}!"
        )
    return os.isatty(1) and os.isatty(2)


def _say(text: str) -> None:
    if text:
        sys.stderr.write(text if text.endswith("\n") else text + "\n")


def program_name() -> str:
    return os.path.basename(sys.argv[0]) if sys.argv and not sys.argv[0].endswith("__main__.py") else "pytrace"


def version() -> str:
    """`bpftrace v0.27.1` first, since scripts ask for it; our own version too, unless called by the name `bpftrace`."""
    from pytrace import __version__

    own = "" if program_name() == "bpftrace" else f"\npytrace v{__version__}"
    return f"bpftrace {REFERENCE}{own}"


def main(argv: list[str] | None = None) -> int:
    """Run the command line; the exit status.  No exception leaves it but KeyboardInterrupt before a script runs."""
    arguments = sys.argv[1:] if argv is None else argv

    def act(inv: Invocation) -> int:
        if arguments[:1] == ["--complete"]:
            from pytrace.completion import answer

            write(sys.stdout, answer(arguments[1:]))
            return 0
        if arguments[:1] == ["compare"] and not os.path.exists("compare"):  # a file here comes first, as with tools
            from pytrace.compare import command as comparing

            return comparing.main(arguments[1:])
        parse(arguments, inv)
        inv.options.colour = _colour()
        return _act(inv)

    return _guarded(act, Invocation())


def _guarded(act: Callable[[Invocation], int], inv: Invocation) -> int:
    """`act(inv)`, or the exit status of the failure that it ended in, reported."""
    try:
        return act(inv)
    except PytraceError as error:
        return _report(error, inv.options)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except RecursionError:
        _say("ERROR: the script is nested too deeply")
        return 1
    except Exception as error:  # noqa: BLE001 - a bug: say so without a traceback unless it is asked for
        return _report_bug(error, inv.options)


def command() -> NoReturn:
    """The entry point: `main`, then out at once, since taking the interpreter down costs another 10 ms."""
    gc.set_threshold(200_000)  # the usual 700 has the collector look at each module as it is loaded: a tenth of a start
    _leave(main())


def run_ahead(form: int, about: dict[str, Any], payload: bytes) -> NoReturn:
    """What a file that `--aot` wrote calls.  Old files must find this as it is: see `pytrace.ahead`."""
    from pytrace.ahead_arguments import ahead_usage, parse_ahead

    def act(inv: Invocation) -> int:
        inv.options.colour = _colour()
        parse_ahead(sys.argv[1:], inv)
        if inv.action == "help":
            sys.stdout.write(ahead_usage(program_name(), str(about.get("script"))))
            return 0
        if inv.action == "version":
            sys.stdout.write(version() + "\n")
            return 0
        from pytrace import driver

        def set_options(options: Options) -> None:
            options.colour = inv.options.colour
            parse_ahead(sys.argv[1:], Invocation(options))
            options.pid = checked_pid(inv.pid_text)
            options.dwarf_pids = _dwarf_pids(inv)
            inv.options = options

        return driver.run_ahead(form, about, payload, set_options)

    _leave(_guarded(act, Invocation()))


def _dwarf_pids(inv: Invocation) -> tuple[int, ...]:
    return tuple(p for t in inv.dwarf_pid_texts if (p := checked_pid(t, alive=False)) is not None)


def _leave(status: int) -> NoReturn:
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # whoever read the output is gone
        status = status or 1
    os._exit(status)


def _act(inv: Invocation) -> int:
    if inv.action == "help":
        return _help(inv.topic)
    if inv.action == "version":
        sys.stdout.write(version() + "\n")
        return 0
    if inv.action == "tools":
        from pytrace import toolbox

        sys.stdout.write(toolbox.table())
        return 0
    if inv.action == "completion":
        from pytrace import completion

        sys.stdout.write(completion.script(inv.topic))
        return 0
    from pytrace import driver

    if inv.action == "info":
        return driver.info(inv.options)
    if inv.action == "clear-cache":
        removed = driver.clear_cache(inv.options)
        sys.stdout.write(f"{removed} compiled programs removed\n")
        return 0
    if inv.action == "list" and not inv.file and inv.script is None:
        inv.options.pid = checked_pid(inv.pid_text)
        return driver.list_probes(inv.search, inv.options)
    source = _generated(inv) if inv.generator else driver.read_source(inv.script, inv.file)
    if source is None:
        return 0
    if inv.options.mode == "format":
        return driver.format_script(source, inv.options)
    check_format(inv.options)
    check_privileges()
    inv.options.pid = checked_pid(inv.pid_text)
    inv.options.dwarf_pids = _dwarf_pids(inv)
    if inv.action == "list":
        return driver.list_script(source, inv.options)
    if inv.options.aot:
        from pytrace.ahead_arguments import check_ahead

        check_ahead(inv)
        return driver.write_ahead(source, inv.options)
    return driver.main(source, inv.options)


def _generated(inv: Invocation) -> Source | None:
    """The script that a bundled tool makes of its words, which are used up by that; None if it was only to be shown."""
    from pytrace.toolbox import generate

    made = generate(inv.file, inv.generator, inv.options.named, inv.options.positional)
    inv.options.named = inv.options.positional = ()
    if made.pid and (inv.options.command or inv.pid_text):
        raise UsageError(f"{inv.file}: -p beside -c or -p of pytrace: there can be one process only")
    inv.pid_text = made.pid or inv.pid_text
    inv.options.map_rows = made.map_rows
    if made.shown or made.only_shown:
        write(sys.stdout, made.source.text)
        sys.stdout.flush()
    return None if made.only_shown else made.source


def _help(topic: str) -> int:
    if not topic:
        sys.stdout.write(_usage())
        return 0
    if topic == "compare":
        from pytrace.compare.arguments import usage

        sys.stdout.write(usage())
        return 0
    from pytrace import reference, toolbox

    text = "\n".join(filter(None, (toolbox.manual(topic), reference.explain(topic))))
    if not text:
        raise UsageError(f"nothing is known about '{topic}'", hint=reference.suggestion(topic))
    sys.stdout.write(text)
    return 0


def _usage() -> str:
    from pytrace.usage import usage

    return usage()


def _report(error: PytraceError, options: Options) -> int:
    """Print a failure in its own form; its exit status."""
    if isinstance(error, ScriptError):
        write(sys.stderr, error.diagnostics.render(options.colour, options.warning_level > 0))
    elif isinstance(error, UsageError):
        prefix = _prefix(error)
        _say(prefix + str(error) if str(error) else "")
        _say(f"HINT: {error.hint}" if error.hint else "")
        _say(_usage() if error.usage else "")
    elif isinstance(error, VerifierError):
        if error.line:
            write(sys.stderr, f"{error.line.location}: ERROR: {error.cause}\n{error.line.excerpt}".rstrip("\n") + "\n")
        _say(error.log if options.verbose else "")
        if not error.line or error.cause != str(error):
            _say(f"ERROR: {error}")
        _say(f"HINT: {error.advice}" if error.advice else "")
    elif isinstance(error, MachineError):
        _say(f"ERROR: {error}")
        _say(f"HINT: {error.advice}" if error.advice else "")
    elif isinstance(error, InternalError):
        return _report_bug(error, options)
    else:
        _say(str(error))
    return error.exit_status


def _prefix(error: UsageError) -> str:
    """getopt_long(3) names the program, and what the environment has wrong (status 2) stands alone (spec 06 §3)."""
    if error.exit_status == 2:
        return ""
    return f"{program_name()}: " if error.usage and not str(error).startswith("USAGE") else "ERROR: "


def _report_bug(error: Exception, options: Options) -> int:
    where = f"{error.span.location()}: " if isinstance(error, InternalError) and error.span else ""
    _say(f"{where}BUG: {type(error).__name__}: {error}")
    if options.verbose or os.environ.get("PYTRACE_TRACEBACK"):
        import traceback

        traceback.print_exception(error)
    else:
        _say("HINT: this is a fault of pytrace; run it again with -v and report what it prints, with the script")
    return 255
