"""The pipeline, top to bottom: source to Program (`compile_source`) and Program to a finished run (`run_program`).

Place in the pipeline: below the command line, above every stage.  In: a Source and Options.  Out: an exit status, or
for library callers a Program or a RunResult.  What a newcomer would get wrong: on a cache hit nothing of the compiler
is imported, so every import of a stage stands in the function that needs it.
"""

from __future__ import annotations

import os
import sys
from time import perf_counter

from pytrace.diagnostics import Diagnostics, ScriptError, UsageError
from pytrace.options import Options
from pytrace.preconditions import check_privileges
from pytrace.source import Source, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytrace.program import Program
    from pytrace.runtime.machine import Machine
    from pytrace.runtime.output.capture import RunResult
    from pytrace.views import Views

    Later = list[Callable[[], None]]

# ---------------------------------------------------------------- what is to be run


def read_source(script: str | None, path: str) -> Source:
    """The script of -e, of standard input (`-`), of a file, or the bundled tool of that name."""
    if script is not None:
        return Source("stdin", script.encode("utf-8", "surrogateescape"))
    if path == "-":
        return Source("stdin", sys.stdin.buffer.read())
    try:
        with open(path, "rb") as f:
            return Source(os.fsencode(path).decode("latin-1"), f.read())
    except OSError as error:
        from pytrace import toolbox

        tool = toolbox.path_of(path)
        if tool is None:
            hint = "" if "/" in path or "." in path else f"bundled tools: {', '.join(toolbox.names())}"
            raise UsageError(f"failed to open file '{path}': {error.strerror}", hint=hint) from None
        with open(tool, "rb") as f:
            return Source(path, f.read())


# ---------------------------------------------------------------- source to Program


class Stages:
    """Times the stages for `-d time`: `with stages("parse"): …`."""

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted
        self.rows: list[tuple[str, float]] = []
        self._name, self._start = "", 0.0

    def __call__(self, name: str) -> Stages:
        self._name = name
        return self

    def __enter__(self) -> None:
        self._start = perf_counter()

    def __exit__(self, *_: object) -> None:
        self.rows.append((self._name, perf_counter() - self._start))
        if self.wanted:
            sys.stderr.write(f"time: {self._name:<12} {1000 * self.rows[-1][1]:8.2f} ms\n")


def obtain(source: Source, options: Options, later: Later | None = None) -> Program:
    """The Program of a script, from the compile cache if it is there.  Raises ScriptError, MachineError.

    `later`: what can wait is put there, and LLVM works in a process of its own (`llvm_process`), as for the command.
    """
    from pytrace import cache
    from pytrace.runtime import identity

    store = cache.Cache(options.cache_dir or cache.default_dir())
    use = options.use_cache and bool(store.folder) and not options.wants_stages
    key = cache.key_of((source.name, source.text, options.compile_key(), identity.kernel())) if use else ""
    if use:
        found = store.get(key, identity.is_current)
        if found is not None:
            return found

    if later is None or options.wants_stages:
        machine = _machine(options)
        program = compile_source(source, options, machine)
    else:
        machine, program = _compile_apart(source, options, later)

    def put() -> None:
        store.put(key, machine.fingerprint(), program)

    if use and later is not None:
        later.append(put)
    elif use:
        put()
    return program


def _machine(options: Options) -> Machine:
    from pytrace.runtime.machine import Machine

    return Machine.from_options(options)


def _compile_apart(source: Source, options: Options, later: Later) -> tuple[Machine, Program]:
    from pytrace.llvm_process import LlvmProcess

    llvm = LlvmProcess()  # first of all: it has most to load
    later.append(llvm.reap)
    try:
        machine = _machine(options)
        return machine, compile_source(
            source, options, machine, emit=lambda text, cpu: llvm.emit(text, cpu, _load_runtime)
        )
    finally:
        llvm.end()


def _catch_up(later: Later) -> None:
    """Do what was put off."""
    while later:
        later.pop()()


def _load_runtime() -> None:
    """What the run will need, loaded while LLVM is at work."""
    from pytrace.defs import load_row  # noqa: F401
    from pytrace.runtime import output, session  # noqa: F401
    from pytrace.runtime.output import text  # noqa: F401


def compile_source(
    source: Source,
    options: Options,
    target: Machine,
    stages: Stages | None = None,
    emit: Callable[[str, str], bytes] | None = None,
) -> Program:
    """Source to Program.  Raises ScriptError with every diagnostic that was found.

    `emit`: how the code generator's text becomes an object, None for LLVM in this process.
    """
    from pytrace.grammar.parser import parse

    stages = stages or Stages("time" in options.debug)
    views = _views(options)
    diagnostics = Diagnostics()
    with stages("parse"):
        tree = parse(source, diagnostics)
    if views:
        views.parsed(tree)
    with stages("tables"):
        from pytrace.defs import load_registry

        registry = load_registry()
    with stages("analyse"):
        from pytrace.sema.pipeline import analyse

        typed = analyse(
            tree, registry=registry, target=target, options=_analysis_options(source, options), diagnostics=diagnostics
        )
    diagnostics.raise_errors()
    if views:
        views.typed(typed)
    with stages("generate"):
        from pytrace.codegen.pipeline import generate

        settings: dict[str, Any] = {"cpu": target.bpf_cpu(), "cpu_slots": target.cpu_slots()}
        settings["verbose_warnings"] = options.warning_level == 2
        program = generate(typed, warnings=_messages(diagnostics), emit=emit, **settings)
    if views:
        views.generated(typed, program, settings)
    return program


def _views(options: Options) -> Views | None:
    if not options.wants_stages:
        return None
    from pytrace.views import Views

    return Views(options)


def _analysis_options(source: Source, options: Options) -> Any:
    """The part of the options that analysis looks at."""
    from pytrace.sema.unit import Options as AnalysisOptions

    named: dict[str, str | bool] = {}
    for word in options.named:
        name, equals, value = word.partition("=")
        named[name] = value if equals else True
    return AnalysisOptions(
        positional=options.positional,
        named=named,
        pid=options.pid,
        has_child=bool(options.command),
        unsafe=options.unsafe,
        environment=options.environment,
        probe_filter=options.probe_filter or None,
        include_dirs=options.include_dirs,
        include_files=options.include_files,
        no_feature=options.no_feature,
        listing_only=options.listing,
        directory=os.path.dirname(os.fsdecode(source.name.encode("latin-1"))) or ".",
        mode=options.mode,
        run_pid=_run_pid() if options.aot else None,
    )


def _run_pid() -> Any:
    from pytrace.defs.variables.process import TARGET_PID

    return TARGET_PID


def _messages(diagnostics: Diagnostics) -> Any:
    from pytrace.program import Message

    return tuple(Message(d.render(False), d.render(True)) for d in diagnostics)


def format_script(source: Source, options: Options) -> int:
    """`--fmt`: the canonical form on stdout, or in place of the `-o` file, atomically."""
    from pytrace.grammar.format import format_source

    text = format_source(source).encode("latin-1")
    if not options.output:
        sys.stdout.buffer.write(text)
        return 0
    temporary = f"{options.output}.{os.getpid()}"
    try:
        with open(temporary, "wb") as f:
            f.write(text)
        os.replace(temporary, options.output)
    except OSError as error:
        raise UsageError(f"unable to write '{options.output}': {error.strerror}") from None
    return 0


# ---------------------------------------------------------------- Program to events


_BENCH_ROUNDS = 20


def compiler_bench(source: Source, options: Options) -> int:
    """`--mode compiler-bench`: the machine's report, then what each stage took over several compilations."""
    from statistics import mean, stdev

    from pytrace.runtime.machine import Machine

    info(options)
    stages = Stages(wanted=False)
    for _ in range(_BENCH_ROUNDS):
        compile_source(source, options, Machine.from_options(options), stages)
    for name in dict.fromkeys(stage for stage, _ in stages.rows):
        times = [1000 * seconds for stage, seconds in stages.rows if stage == name]
        sys.stdout.write(f"{name:<30}{len(times):<8}{mean(times):8.2f} ± {stdev(times):.2f} ms\n")
    return 0


def main(source: Source, options: Options) -> int:
    """Compile and run as the command does; the exit status."""
    if options.mode == "compiler-bench":
        return compiler_bench(source, options)
    later: Later = []
    try:
        program = obtain(source, options, later)
        _print_warnings(program, options)
        if options.mode == "codegen":
            return 0
        return run_program(program, options, lambda: _catch_up(later))
    finally:
        _catch_up(later)


def write_ahead(source: Source, options: Options) -> int:
    """`--aot FILE`: compile, and write a file that runs without the compiler; the exit status."""
    from pytrace import ahead
    from pytrace.runtime.machine import Machine
    from pytrace.runtime.premises import premises

    machine = Machine.from_options(options)
    program = compile_source(source, options, machine)
    _print_warnings(program, options)
    ahead.write(options.aot, program, premises(machine, program), options, source.name)
    return 0


def run_ahead(form: int, about: dict[str, Any], payload: bytes, set_options: Callable[[Options], None]) -> int:
    """Run what `write_ahead` wrote; `set_options` puts the command line over what the file has kept."""
    from pytrace import ahead
    from pytrace.runtime.premises import check

    found, kept, program = ahead.read(form, about, payload)
    options = Options(**kept)
    set_options(options)
    check_privileges()
    check(found)
    _print_warnings(program, options)
    return run_program(program, options)


def _print_warnings(program: Program, options: Options) -> None:
    if options.warning_level:
        write(sys.stderr, "".join(m.coloured if options.colour else m.plain for m in program.warnings))
        sys.stderr.flush()


def run_program(program: Program, options: Options, once_attached: Callable[[], None] = lambda: None) -> int:
    """Run a Program with text or JSON output as `options` say; the exit status.  `once_attached`: as for Session."""
    from pytrace.defs import load_row
    from pytrace.runtime.output import open_output
    from pytrace.runtime.session import Session

    with open_output(options) as output:
        session = Session(
            program, rows=load_row, output=output, options=options, leave_behind=True, once_attached=once_attached
        )
        return session.run()


def compile(script: str, *, options: Options | None = None) -> Program:
    """Compile `script` for this machine.  Raises ScriptError, MachineError; needs no privileges but to read BTF."""
    return obtain(Source("script", script.encode("utf-8", "surrogateescape")), options or Options())


def run(script: str | Program, *, timeout: float | None = None, options: Options | None = None) -> RunResult:
    """Run a script or Program and collect what it prints and its maps, decoded.

    `timeout` in seconds stops it as Ctrl-C would; None waits until it exits by itself.  Raises ScriptError,
    MachineError, VerifierError.
    """
    from pytrace.defs import load_row
    from pytrace.runtime.output.capture import CaptureOutput
    from pytrace.runtime.session import Session

    chosen = options or Options()
    program = compile(script, options=chosen) if isinstance(script, str) else script
    output = CaptureOutput()
    session = Session(program, rows=load_row, output=output, options=chosen)
    try:
        output.result.exit_status = session.run(timeout=timeout)
    finally:
        output.close()
    return output.result


# ---------------------------------------------------------------- listing and information


def list_probes(search: str, options: Options) -> int:
    """`-l PATTERN`."""
    from pytrace.listing import show

    show(find_probes(search, options), options)
    return 0


def find_probes(search: str, options: Options) -> Any:
    """What `-l PATTERN` shows (`listing.Found.to_plain`), from the cache if nothing has changed since it was put
    there."""
    check_privileges()
    from pytrace import cache, listing
    from pytrace.runtime import identity

    store = cache.Cache(options.cache_dir or cache.default_dir(), cache.LISTINGS)
    use = options.use_cache and bool(store.folder) and options.pid is None
    parts = (search, bool(options.verbose), options.compile_key(), identity.kernel(), identity.boot())
    key = cache.key_of(parts) if use else ""
    plain: Any = store.get_plain(key, identity.is_current) if use else None
    if listing.is_plain(plain):
        return plain
    from pytrace.defs import load_registry

    machine = _machine(options)
    found = listing.list_matching(search, load_registry(), machine, options)
    plain = found.to_plain()
    if use and found.lasting and not machine.is_momentary:
        store.put_plain(key, machine.fingerprint(), plain)
    return plain


def list_script(source: Source, options: Options) -> int:
    """`-l script.bt`, `-l -e PROGRAM`: the expanded probes of a script."""
    from pytrace.defs import load_registry
    from pytrace.grammar.parser import parse
    from pytrace.listing import list_of_script
    from pytrace.runtime.machine import Machine

    diagnostics = Diagnostics()
    tree = parse(source, diagnostics)
    status = list_of_script(tree, load_registry(), Machine.from_options(options), options, diagnostics)
    if diagnostics.has_errors:
        raise ScriptError(diagnostics)
    return status


def info(options: Options) -> int:
    """`--info`."""
    check_privileges()
    from pytrace.info import report
    from pytrace.runtime.machine import Machine

    sys.stdout.write(report(Machine.from_options(options)))
    return 0


def clear_cache(options: Options) -> int:
    """Forget all stored Programs; how many there were."""
    from pytrace import cache

    folder = options.cache_dir or cache.default_dir()
    return cache.Cache(folder).clear() if folder else 0
