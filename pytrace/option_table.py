"""The command's options: one row each, which is its parsing, its meaning, its help and its place in the manual.

Place in the pipeline: under `arguments`, which reads argv by it; the usage text, the manual page and the completion of
shells are made from it.  In: nothing.  Out: `OPTIONS`, and `SECTIONS` as they are shown.  What a newcomer would get
wrong: the order is that of the help text, and a row without a `doc` is accepted without being shown.
"""

from __future__ import annotations

from pytrace.diagnostics import UsageError
from pytrace.options import Options
from pytrace.record import field, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_DEBUG_STAGES = (
    "parse", "ast", "types", "codegen", "codegen-opt", "dis", "program", "libbpf", "verifier", "time",
)  # fmt: skip
_MODES = ("codegen", "compiler-bench", "bench", "test", "format")
_FEATURES = ("kprobe_multi", "kprobe_session", "uprobe_multi")
_BUFFERING = ("line", "full", "none")
_SHELLS = ("bash", "zsh")
FORMATS = ("text", "json")


@record(frozen=False)
class Invocation:
    """A parsed command line.  `script`: the text of -e, or None; `file`: the script's path or `-`; `search`: of -l."""

    options: Options = field(default_factory=Options)
    script: str | None = None
    file: str = ""
    search: str = ""
    action: str = "run"
    """run, list, help, version, info, tools, completion or clear-cache."""
    topic: str = ""
    generator: str = ""
    """The module that makes the script of the bundled tool that `file` names (`pytrace.toolbox`)."""
    pid_text: str = ""
    dwarf_pid_texts: list[str] = field(default_factory=list)


@record
class OptionDef:
    """One option.  `argument`: what its argument is, "" for none: FILE, DIR, PID, CMD … say what a shell completes."""

    long: str
    short: str
    argument: str
    apply: Callable[[Any, str], None]
    """Given what the command line is put into (an Invocation, for the table below) and the argument."""
    doc: str = ""
    more: str = ""
    """What the manual adds to `doc`."""
    values: tuple[str, ...] = ()
    """All that the argument may be."""
    shown: str = ""
    """How the argument is written where `argument` is not enough."""
    many: bool = False
    """The argument is a list with commas."""

    @property
    def name(self) -> str:
        """Its long name, the letter of one that has none."""
        return self.long or self.short

    @property
    def spelling(self) -> str:
        """`-o, --output FILE`."""
        names = ", ".join(filter(None, (self.short and f"-{self.short}", self.long and f"--{self.long}")))
        return f"{names} {self.shown or self.argument}".rstrip()


def _set(
    name: str, value: object = None, convert: Callable[[str], object] | None = None
) -> Callable[[Invocation, str], None]:
    def apply(inv: Invocation, text: str) -> None:
        setattr(inv.options, name, value if value is not None else convert(text) if convert else text)

    return apply


def _append(name: str) -> Callable[[Invocation, str], None]:
    def apply(inv: Invocation, text: str) -> None:
        setattr(inv.options, name, (*getattr(inv.options, name), text))

    return apply


def _action(name: str) -> Callable[[Invocation, str], None]:
    def apply(inv: Invocation, _: str) -> None:
        inv.action = name

    return apply


def _script(inv: Invocation, text: str) -> None:
    inv.script = text


def _completion(inv: Invocation, text: str) -> None:
    if text not in _SHELLS:
        shells = "' or '".join(_SHELLS)
        raise UsageError(f"USAGE: --completion can only be '{shells}'.")
    inv.action, inv.topic = "completion", text


def _pid(inv: Invocation, text: str) -> None:
    inv.pid_text = text


def _dwarf_pid(inv: Invocation, text: str) -> None:
    inv.dwarf_pid_texts.append(text)


def _debuginfo(inv: Invocation, text: str) -> None:
    inv.options.debuginfo += text + ":"  # the folders of all are searched, in order, as in the reference


def _verbose(inv: Invocation, _: str) -> None:
    inv.options.verbose += 1


def _warnings(inv: Invocation, _: str) -> None:
    if inv.options.warning_level == 2:
        raise UsageError(
            "USAGE: -kk has been deprecated. Use a single -k for runtime warnings for errors in map lookups and probe"
            " reads."
        )
    if inv.options.warning_level == 0:
        raise UsageError("USAGE: -k, --warnings conflicts with --no-warnings")
    inv.options.warning_level = 2


def _no_warnings(inv: Invocation, _: str) -> None:
    if inv.options.warning_level == 2:
        raise UsageError("USAGE: -k, --warnings conflicts with --no-warnings")
    inv.options.warning_level = 0


def _mode(inv: Invocation, text: str) -> None:
    if text not in _MODES:
        raise UsageError("USAGE: --mode can only be 'codegen', 'compiler-bench', 'bench', 'test' or 'format'.")
    inv.options.mode = text


def _mode_alias(option: str, mode: str) -> Callable[[Invocation, str], None]:
    def apply(inv: Invocation, _: str) -> None:
        if inv.options.mode:
            raise UsageError(f"USAGE: --{option} conflicts with existing --mode")
        inv.options.mode = mode

    return apply


def _buffering(inv: Invocation, text: str) -> None:
    if text not in _BUFFERING:
        raise UsageError("USAGE: -B must be either 'line', 'full', or 'none'.")
    inv.options.buffering = text


def _no_feature(inv: Invocation, text: str) -> None:
    features = [f for f in text.split(",") if f]
    if not features or any(f not in _FEATURES for f in features):
        raise UsageError(f"USAGE: --no-feature can only have values '{','.join(_FEATURES)}'.")
    inv.options.no_feature |= frozenset(features)


def _debug(inv: Invocation, text: str) -> None:
    for stage in filter(None, text.split(",")):
        if stage == "all":
            inv.options.debug |= frozenset(_DEBUG_STAGES)
        elif stage in _DEBUG_STAGES:
            inv.options.debug |= {stage}
        else:
            raise UsageError(f"USAGE: invalid option for -d: {stage}")


def _nothing(_inv: Invocation, _: str) -> None:
    """Accepted for compatibility, without effect."""


_RUN = (
    OptionDef(
        "",
        "e",
        "PROGRAM",
        _script,
        "execute this program",
        shown="'program'",
        more="Words behind it are parameters of the program.  The last one counts.",
    ),
    OptionDef(
        "list",
        "l",
        "",
        _action("list"),
        "list kernel probes or probes in a program",
        shown="[search|filename]",
        more="In a search * is any text; several are separated by commas.  Without a search all probes of the kernel "
        "are listed, with 'struct NAME' a type.  What was found is kept until a module, an event or a file that it "
        "depends on changes.",
    ),
    OptionDef("verbose", "v", "", _verbose, "enable verbose messages; with -l, also show probe arguments"),
    OptionDef("tools", "", "", _action("tools"), "list the bundled tools"),
    OptionDef(
        "help",
        "h",
        "",
        _action("help"),
        "show this help message, or explain a tool, builtin, function or probe",
        shown="[NAME]",
    ),
    OptionDef("version", "V", "", _action("version"), "version"),
    OptionDef("info", "", "", _action("info"), "print information about kernel BPF support"),
)
_TRACED = (
    OptionDef(
        "pid", "p", "PID", _pid, "filter actions and enable USDT probes on PID", more="Ends when the process does."
    ),
    OptionDef(
        "cmd",
        "c",
        "CMD",
        _set("command"),
        "run CMD and enable USDT probes on resulting process",
        more="CMD is split at single spaces, without a shell.  It starts once the probes are attached, and tracing "
        "ends with it.",
    ),
    OptionDef(
        "dwarf-pid",
        "",
        "PID",
        _dwarf_pid,
        "add additional pids to the DWARF-unwinder",
        more="For dw_ustack; may be repeated.",
    ),
    OptionDef(
        "usdt-file-activation",
        "",
        "",
        _set("usdt_file_activation", True),
        "activate usdt semaphores based on file path",
    ),
)
_OUTPUT = (
    OptionDef("output", "o", "FILE", _set("output"), "redirect output to FILE"),
    OptionDef("", "f", "FORMAT", _set("format"), "output format", values=FORMATS),
    OptionDef("", "B", "MODE", _buffering, "output buffering mode", values=_BUFFERING),
    OptionDef("quiet", "q", "", _set("quiet", True), "keep messages quiet"),
    OptionDef("warnings", "k", "", _warnings, "emit a warning when probe read helpers return an error"),
    OptionDef("no-warnings", "", "", _no_warnings, "disable all warning messages"),
)
_FOUND = (
    OptionDef(
        "", "I", "DIR", _append("include_dirs"), "add the directory to the include search path", more="May be repeated."
    ),
    OptionDef(
        "include",
        "",
        "FILE",
        _append("include_files"),
        "add an #include file before preprocessing",
        more="May be repeated.",
    ),
    OptionDef(
        "debuginfo",
        "",
        "DIR",
        _debuginfo,
        "add directories to the debug info search path",
        shown="DIR[:DIR]",
        more="May be repeated.  With a + before a directory, checksums of the files in it are compared.",
    ),
    OptionDef(
        "traceable-functions",
        "",
        "FILE",
        _set("traceable_functions"),
        "load the list of traceable kernel functions from FILE",
        more="Lines 'name' or 'name [module]', as in available_filter_functions.",
    ),
)
_ALLOWED = (
    OptionDef(
        "unsafe",
        "",
        "",
        _set("unsafe", True),
        "allow unsafe/destructive functionality",
        more="Functions such as system() and signal(), and probes on what is not in the list of traceable functions.",
    ),
    OptionDef(
        "no-feature",
        "",
        "LIST",
        _no_feature,
        "disable use of detected features",
        values=_FEATURES,
        shown="FEATURE[,FEATURE]",
        many=True,
    ),
)
_KEPT = (
    OptionDef(
        "cache-dir",
        "",
        "DIR",
        _set("cache_dir"),
        "keep compiled programs in DIR",
        more="Of this user alone; without the option as PYTRACE_CACHE_DIR says.",
    ),
    OptionDef("no-cache", "", "", _set("use_cache", convert=lambda _: False), "compile anew, and keep nothing"),
    OptionDef("clear-cache", "", "", _action("clear-cache"), "forget all compiled programs"),
    OptionDef(
        "completion",
        "",
        "SHELL",
        _completion,
        "print the script that has a shell complete command lines",
        values=_SHELLS,
        more='For this session of bash: eval "$(pytrace --completion bash)".',
    ),
)
_DEVELOPERS = (
    OptionDef("mode", "", "MODE", _mode, "used for benchmarking and testing", values=_MODES),
    OptionDef("test", "", "", _mode_alias("test", "test"), "run all test: probes (same as --mode test)"),
    OptionDef("bench", "", "", _mode_alias("bench", "bench"), "run all bench: probes (same as --mode bench)"),
    OptionDef(
        "probe-filter",
        "",
        "REGEX",
        _set("probe_filter"),
        "only run probes whose name matches REGEX",
        more="begin and end stay.",
    ),
    OptionDef(
        "fmt",
        "",
        "",
        _mode_alias("fmt", "format"),
        "format the input script and print it",
        more="With -o FILE that file is written instead, in one piece.",
    ),
    OptionDef(
        "aot",
        "",
        "FILE",
        _set("aot"),
        "compile the script into FILE, an executable that needs Python and pytrace's runtime, but not the compiler",
    ),
)
_TROUBLE = (
    OptionDef("dry-run", "", "", _set("dry_run", True), "terminate execution right after attaching all the probes"),
    OptionDef("verify-llvm-ir", "", "", _set("verify_llvm_ir", True), "check that the generated LLVM IR is valid"),
    OptionDef("debug", "d", "STAGE", _debug, "show a stage of the pipeline", values=("all", *_DEBUG_STAGES), many=True),
    OptionDef("emit-elf", "", "FILE", _set("emit_elf"), "write an ELF file with the BPF programs to FILE"),
    OptionDef("emit-llvm", "", "FILE", _set("emit_llvm"), "write LLVM IR to FILE.original.ll and FILE.optimized.ll"),
)
_HIDDEN = (OptionDef("btf", "b", "", _nothing),)

SECTIONS: tuple[tuple[str, tuple[tuple[OptionDef, ...], ...]], ...] = (
    ("OPTIONS", (_RUN, _TRACED, _OUTPUT, _FOUND, _ALLOWED, _KEPT)),
    ("DEVELOPER OPTIONS", (_DEVELOPERS,)),
    ("TROUBLESHOOTING OPTIONS", (_TROUBLE,)),
)
"""Heading, and below it the options in groups."""
OPTIONS: tuple[OptionDef, ...] = (*(o for _, groups in SECTIONS for group in groups for o in group), *_HIDDEN)
