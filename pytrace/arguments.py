"""The command line's arguments: the table of options, the usage text, argv to `Invocation` (spec 06 §1).

Place in the pipeline: under `cli`.  In: argv.  Out: an Invocation; UsageError in the words of getopt_long(3) and of the
reference.  What a newcomer would get wrong: the order of checks is the reference's, because users see the first failure
only.  `getopt` of the standard library is not used: it does not tell where `--` stood, and its messages are not those
that scripts match on.
"""

from __future__ import annotations

import os

from pytrace.diagnostics import UsageError
from pytrace.options import Options
from pytrace.record import field, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pytrace.toolbox import Tool

_DEBUG_STAGES = (
    "parse", "ast", "types", "codegen", "codegen-opt", "dis", "libbpf", "verifier", "program", "time",
)  # fmt: skip
_MODES = ("codegen", "compiler-bench", "bench", "test", "format")
_FEATURES = ("kprobe_multi", "kprobe_session", "uprobe_multi")


@record(frozen=False)
class Invocation:
    """A parsed command line.  `script`: the text of -e, or None; `file`: the script's path or `-`; `search`: of -l."""

    options: Options = field(default_factory=Options)
    script: str | None = None
    file: str = ""
    search: str = ""
    action: str = "run"
    """run, list, help, version, info, tools, clear-cache, explain."""
    topic: str = ""
    pid_text: str = ""
    dwarf_pid_texts: list[str] = field(default_factory=list)


@record
class OptionDef:
    """One option: its row in the table below is its parsing, its help and its meaning."""

    long: str
    short: str
    argument: str
    apply: Callable[[Invocation, str], None]


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
    if text not in ("line", "full", "none"):
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


OPTIONS = (
    OptionDef("aot", "", "FILE", _set("aot")),
    OptionDef("bench", "", "", _mode_alias("bench", "bench")),
    OptionDef("btf", "b", "", _nothing),
    OptionDef("cache-dir", "", "DIR", _set("cache_dir")),
    OptionDef("clear-cache", "", "", _action("clear-cache")),
    OptionDef("cmd", "c", "CMD", _set("command")),
    OptionDef("debug", "d", "STAGE", _debug),
    OptionDef("debuginfo", "", "DIR", _debuginfo),
    OptionDef("dry-run", "", "", _set("dry_run", True)),
    OptionDef("dwarf-pid", "", "PID", _dwarf_pid),
    OptionDef("emit-elf", "", "FILE", _set("emit_elf")),
    OptionDef("emit-llvm", "", "FILE", _set("emit_llvm")),
    OptionDef("fmt", "", "", _mode_alias("fmt", "format")),
    OptionDef("help", "h", "", _action("help")),
    OptionDef("include", "", "FILE", _append("include_files")),
    OptionDef("info", "", "", _action("info")),
    OptionDef("list", "l", "", _action("list")),
    OptionDef("mode", "", "MODE", _mode),
    OptionDef("no-cache", "", "", _set("use_cache", convert=lambda _: False)),
    OptionDef("no-feature", "", "LIST", _no_feature),
    OptionDef("no-warnings", "", "", _no_warnings),
    OptionDef("output", "o", "FILE", _set("output")),
    OptionDef("pid", "p", "PID", _pid),
    OptionDef("probe-filter", "", "REGEX", _set("probe_filter")),
    OptionDef("quiet", "q", "", _set("quiet", True)),
    OptionDef("tools", "", "", _action("tools")),
    OptionDef("test", "", "", _mode_alias("test", "test")),
    OptionDef("traceable-functions", "", "FILE", _set("traceable_functions")),
    OptionDef("unsafe", "", "", _set("unsafe", True)),
    OptionDef("usdt-file-activation", "", "", _set("usdt_file_activation", True)),
    OptionDef("verbose", "v", "", _verbose),
    OptionDef("verify-llvm-ir", "", "", _set("verify_llvm_ir", True)),
    OptionDef("version", "V", "", _action("version")),
    OptionDef("warnings", "k", "", _warnings),
    OptionDef("", "B", "MODE", _buffering),
    OptionDef("", "I", "DIR", _append("include_dirs")),
    OptionDef("", "e", "PROGRAM", _script),
    OptionDef("", "f", "FORMAT", _set("format")),
)

USAGE = """\
pytrace - a high-level tracing language for Linux powered by BPF

USAGE:
    pytrace [options] filename
    pytrace [options] - <stdin input>
    pytrace [options] -e 'program'
    pytrace [options] TOOL [tool's options]
                                   a bundled tool, such as execsnoop
    use -- after filename/-e 'program' for named script parameters

OPTIONS:
    -e 'program'   execute this program
    -l, --list [search|filename]
                   list kernel probes or probes in a program
    -v, --verbose  enable verbose messages; with -l, also show probe arguments
    --tools        list the bundled tools
    -h, --help [NAME]
                   show this help message, or explain a tool, builtin, function or probe
    -V, --version  version
    --info         print information about kernel BPF support

    -p, --pid PID  filter actions and enable USDT probes on PID
    -c, --cmd CMD  run CMD and enable USDT probes on resulting process
    --dwarf-pid PID
                   add additional pids to the DWARF-unwinder
    --usdt-file-activation
                   activate usdt semaphores based on file path

    -o, --output FILE
                   redirect output to FILE
    -f FORMAT      output format ('text', 'json')
    -B MODE        output buffering mode ('line', 'full', 'none')
    -q, --quiet    keep messages quiet
    -k, --warnings emit a warning when probe read helpers return an error
    --no-warnings  disable all warning messages

    -I DIR         add the directory to the include search path
    --include FILE add an #include file before preprocessing
    --debuginfo DIR[:DIR]
                   add directories to the debug info search path
    --traceable-functions FILE
                   load the list of traceable kernel functions from FILE

    --unsafe       allow unsafe/destructive functionality
    --no-feature FEATURE[,FEATURE]
                   disable use of detected features

    --cache-dir DIR
                   keep compiled programs in DIR
    --no-cache     compile anew, and keep nothing
    --clear-cache  forget all compiled programs

DEVELOPER OPTIONS:
    --mode MODE    used for benchmarking and testing
                   ('codegen', 'compiler-bench', 'bench', 'test', 'format')
    --test         run all test: probes (same as --mode test)
    --bench        run all bench: probes (same as --mode bench)
    --probe-filter REGEX
                   only run probes whose name matches REGEX
    --fmt          format the input script and print it
    --aot FILE     compile the script into FILE, an executable that needs Python and
                   pytrace's runtime, but not the compiler

TROUBLESHOOTING OPTIONS:
    --dry-run      terminate execution right after attaching all the probes
    --verify-llvm-ir
                   check that the generated LLVM IR is valid
    -d, --debug STAGE
                   show a stage of the pipeline
                   ('all', 'parse', 'ast', 'types', 'codegen', 'codegen-opt', 'dis',
                    'program', 'libbpf', 'verifier', 'time')
    --emit-elf FILE
                   write an ELF file with the BPF programs to FILE
    --emit-llvm FILE
                   write LLVM IR to FILE.original.ll and FILE.optimized.ll

CONFIGURATION:
    Settings come from the script's config block and from BPFTRACE_* environment
    variables, as in bpftrace.

EXAMPLES:
    pytrace -e 'tracepoint:syscalls:sys_enter_execve { printf("%s %s\\n", comm, str(args.filename)); }'
        programs that are started
    pytrace -e 'tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }'
        system calls by process name
    pytrace -e 'profile:hz:99 { @[kstack] = count(); }'
        where the kernel spends its time
    pytrace -e 'tracepoint:block:block_rq_issue { @ = hist(args.bytes); }'
        sizes of block I/O requests
    pytrace -l '*sleep*'
        probes with "sleep" in their name
    pytrace -lv 'tracepoint:syscalls:sys_enter_openat'
        the arguments of a tracepoint
    pytrace --help hist
        what hist() does
    pytrace opensnoop -x
        a bundled tool: files that could not be opened
"""


def _long(name: str, table: tuple[OptionDef, ...]) -> OptionDef:
    """The option called or uniquely abbreviated `name`.  Raises UsageError in the words of getopt_long(3)."""
    exact = [o for o in table if o.long and o.long == name]
    found = exact or [o for o in table if o.long and o.long.startswith(name)]
    if not found:
        raise UsageError(f"unrecognized option '--{name}'", usage=True)
    if len(found) > 1:
        rivals = " ".join(f"'--{o.long}'" for o in found)
        raise UsageError(f"option '--{name}' is ambiguous; possibilities: {rivals}", usage=True)
    return found[0]


def _short(letter: str, table: tuple[OptionDef, ...]) -> OptionDef:
    for option in table:
        if option.short == letter:
            return option
    raise UsageError(f"invalid option -- '{letter}'", usage=True)


def split(
    argv: list[str], table: tuple[OptionDef, ...] = OPTIONS
) -> tuple[list[tuple[OptionDef, str]], list[str], list[str]]:
    """Options in their order, the words before `--`, the words after it (GNU permutation)."""
    given: list[tuple[OptionDef, str]] = []
    words: list[str] = []
    at = 0
    tool = None
    while at < len(argv):
        word = argv[at]
        if tool is not None and word.startswith("-"):  # behind a bundled tool's name, the tool's own options come first
            own = tool.take(argv, at)
            if own is not None:
                words += own[0]
                at = own[1]
                continue
        at += 1
        if word == "--":
            return given, words, argv[at:]
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            option = _long(name, table)
            if not option.argument:
                if equals:
                    raise UsageError(f"option '--{option.long}' doesn't allow an argument", usage=True)
            elif not equals:
                if at == len(argv):
                    raise UsageError(f"option '--{option.long}' requires an argument", usage=True)
                value = argv[at]
                at += 1
            given.append((option, value))
        elif word.startswith("-") and word != "-":
            letters = word[1:]
            while letters:
                option, letters = _short(letters[0], table), letters[1:]
                value = ""
                if option.argument and letters:
                    value, letters = letters, ""
                elif option.argument:
                    if at == len(argv):
                        raise UsageError(f"option requires an argument -- '{option.short}'", usage=True)
                    value = argv[at]
                    at += 1
                given.append((option, value))
        else:
            words.append(word)
            if len(words) == 1 and table is OPTIONS:
                tool = _tool(word, given)
    return given, words, []


def _tool(word: str, given: list[tuple[OptionDef, str]]) -> Tool | None:
    """The bundled tool that the first word names, if that word is what is to be run."""
    if "/" in word or "." in word or any(o.short in "el" and o.short for o, _ in given):
        return None
    from pytrace import toolbox

    return toolbox.find(word)


def parse(argv: list[str], inv: Invocation | None = None) -> Invocation:
    """The invocation that `argv` (without the program's name) asks for, put into `inv`.  Raises UsageError."""
    inv = inv or Invocation()
    inv.options.environment = {
        k: v for k, v in os.environ.items() if k.startswith("BPFTRACE_") or k in ("CPATH", "C_INCLUDE_PATH", "ARCH")
    }
    given, words, after = split(argv)
    for option, value in given:
        option.apply(inv, value)
        if inv.action in ("help", "version", "info", "tools"):  # at once, in the order of the options
            inv.topic = words[0] if words else ""
            return inv
    if not argv:
        raise UsageError("", usage=True)
    if inv.options.command and inv.pid_text:
        raise UsageError("USAGE: Cannot use both -c and -p.", usage=True)
    if inv.action == "clear-cache":
        return inv
    if inv.action == "list":
        _listing(inv, words + after)
        return inv
    if not inv.script:
        inv.script = None
        if not words and not after:
            raise UsageError("USAGE: filename or -e 'program' required.")
        rest = words or after
        inv.file = rest.pop(0)
    parameters = words + after
    tool = _tool(inv.file, given) if inv.file else None
    if tool is not None:
        parameters = tool.words(_translated(tool, words) + _translated(tool, after))
    inv.options.named = tuple(p[2:] for p in parameters if p.startswith("--"))
    inv.options.positional = tuple(p for p in parameters if not p.startswith("--"))
    return inv


def _translated(tool: Tool, parameters: list[str]) -> list[str]:
    """A tool's parameters with its flag letters as named ones, also behind `--`."""
    found: list[str] = []
    at = 0
    while at < len(parameters):
        own = tool.take(parameters, at) if parameters[at].startswith("-") else None
        words, at = own or ([parameters[at]], at + 1)
        found += words
    return found


def check_format(options: Options) -> None:
    """Raise UsageError for an output format that does not exist."""
    if options.format not in ("", "text", "json"):
        raise UsageError(f"Invalid output format \"{options.format}\"\nValid formats: 'text', 'json'")


def _listing(inv: Invocation, words: list[str]) -> None:
    inv.options.listing = True
    if len(words) > 1:
        raise UsageError("", usage=True)
    if words and os.path.exists(words[0]):
        inv.file = words[0]
    else:
        inv.search = words[0] if words and words[0] != "*" else "*:*"
