"""What one invocation asks for, apart from the script: filled by the command line or by a library caller.

Place in the pipeline: below the driver, above nothing of the compiler; `cli` fills it, `driver` reads it.  In: nothing.
Out: `Options`.  What a newcomer would get wrong: everything here that can change the compiled Program must be part of
`Options.compile_key`, or the compile cache would serve the wrong one.
"""

from __future__ import annotations

from pytrace.record import field, record


@record(frozen=False)
class Options:
    """Field names follow the long options (spec 06 §1).  `warning_level`: 0 --no-warnings, 1 default, 2 -k."""

    positional: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    """Named parameters as written, without their `--`: `name` or `name=value`."""
    pid: int | None = None
    command: str = ""
    dwarf_pids: tuple[int, ...] = ()
    usdt_file_activation: bool = False
    unsafe: bool = False
    warning_level: int = 1
    verbose: int = 0
    quiet: bool = False
    output: str = ""
    format: str = "text"
    buffering: str = "line"
    include_dirs: tuple[str, ...] = ()
    include_files: tuple[str, ...] = ()
    debuginfo: str = ""
    traceable_functions: str = ""
    no_feature: frozenset[str] = frozenset()
    mode: str = ""
    """"", codegen, compiler-bench, bench, test or format."""
    probe_filter: str = ""
    dry_run: bool = False
    verify_llvm_ir: bool = False
    debug: frozenset[str] = frozenset()
    emit_elf: str = ""
    emit_llvm: str = ""
    aot: str = ""
    listing: bool = False
    cache_dir: str = ""
    use_cache: bool = True
    colour: bool = False
    map_rows: dict[str, str] = field(default_factory=dict)
    """How a map's rows are printed as text, by its name: a form of `str.format` with the parts of the key as `{0}`,
    `{1}` … and `{value}`.  Bundled tools set it; it has no part in compiling."""
    environment: dict[str, str] = field(default_factory=dict)
    """The BPFTRACE_* variables and what else the compiler may read from the environment."""

    @property
    def wants_stages(self) -> bool:
        """True when an intermediate stage is to be shown or written: then the cache is of no use."""
        return bool(self.debug or self.emit_elf or self.emit_llvm or self.verify_llvm_ir or self.aot)

    def compile_key(self) -> tuple[object, ...]:
        """All that the compiled Program depends on, beside the script and the machine."""
        return (
            self.positional,
            self.named,
            self.pid,
            bool(self.command),
            self.dwarf_pids,
            self.usdt_file_activation,
            self.unsafe,
            self.warning_level,
            self.include_dirs,
            self.include_files,
            self.debuginfo,
            self.traceable_functions,
            tuple(sorted(self.no_feature)),
            self.mode,
            self.probe_filter,
            tuple(sorted(self.environment.items())),
        )
