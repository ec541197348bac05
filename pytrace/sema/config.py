"""Settings: the `config` block and the environment (spec 06 §5).

Place in the pipeline: the first pass of sema; the driver asks it too, for the cache key.  In: the block, BPFTRACE_*
variables.  Out: a dict with every key.  What a newcomer would get wrong: the environment overrides the block, and a bad
value there has no place in the script, so it is an error without a location that ends with status 2.
"""

from __future__ import annotations

from pytrace.diagnostics import UsageError
from pytrace.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from pytrace.diagnostics import Diagnostics
    from pytrace.grammar import ast
    from pytrace.sema.unit import Options

Given = str | int | bool


class SettingError(ValueError):
    """A setting cannot have this value; the text is the message behind the key."""

    def __init__(self, message: str, *, whole: bool = False) -> None:
        super().__init__(message)
        self.whole = whole
        """The message does not want the key in front."""


@record
class Setting:
    """One key: its default and how a given value is read (`read(value, default)`)."""

    key: str
    default: Any
    read: Callable[[Given, Any], Any]
    doc: str


def truth_of(word: str) -> bool | None:
    """A word that means true or false, None for any other."""
    word = word.lower()
    return True if word in ("true", "1", "yes", "on") else False if word in ("false", "0", "no", "off") else None


def _number(given: Given, default: Any) -> int:
    if isinstance(given, (bool, int)):
        return int(given)
    from pytrace.grammar.literals import integer_value

    value = integer_value(given) if given else "empty"
    if isinstance(value, str):
        raise SettingError(f"expecting a number, got {given}")
    return value


def _flag(given: Given, default: Any) -> bool:
    if isinstance(given, (bool, int)):
        return bool(given)
    found = truth_of(given)
    if found is None:
        raise SettingError("Invalid bool value: valid values are true, false, 1 or 0.")
    return found


def _text(given: Given, default: Any) -> str:
    return str(int(given)) if isinstance(given, (bool, int)) else given


def _symbol_cache(given: Given, default: Any) -> str:
    word = _text(given, default).lower()
    if word == "1" or (isinstance(given, int) and given):
        return str(default)
    if word in ("none", "0"):
        return "NONE"
    if word in ("per_pid", "per_program"):
        return word.upper()
    raise SettingError("Invalid value for cache_user_symbols: valid values are PER_PID, PER_PROGRAM, and NONE.")


def _missing_probes(given: Given, default: Any) -> str:
    word = given.lower() if isinstance(given, str) else ""
    if word not in ("ignore", "warn", "error"):
        raise SettingError("Invalid value for missing_probes: valid values are ignore, warn, and error.")
    return word


LICENSES = ("Dual MIT/GPL", "Dual BSD/GPL", "Dual MPL/GPL", "GPL and additional rights", "GPL v2", "GPL")


def _license(given: Given, default: Any) -> str:
    text = _text(given, default)
    if text not in LICENSES:
        raise SettingError(
            f"Invalid value for license. Found: {text}. Valid values: {', '.join(LICENSES)}. Read more about BPF "
            "programs and licensing: https://docs.kernel.org/bpf/"
            "bpf_licensing.html#using-bpf-programs-in-the-linux-kernel",
            whole=True,
        )
    return text


_STACK_MODES = ("bpftrace", "perf", "raw", "build_id")


def _stack_mode(given: Given, default: Any) -> str:
    word = _text(given, default)
    if word not in _STACK_MODES:
        raise SettingError("Invalid value for stack_mode: valid values are bpftrace, raw, perf, and build_id.")
    return word


def _unstable(given: Given, default: Any) -> str:
    if isinstance(given, (bool, int)):
        return "enable" if given else "error"
    meant = truth_of(given)
    word = given.lower() if meant is None else "enable" if meant else "error"
    if word not in ("enable", "warn", "error"):
        raise SettingError("Invalid value for unstable config: valid values are enable, warn, and error.")
    return word


SETTINGS: dict[str, Setting] = {
    s.key: s
    for s in (
        Setting("cache_user_symbols", "PER_PID", _symbol_cache, "Who shares symbols: PER_PID, PER_PROGRAM or NONE."),
        Setting("cpp_demangle", True, _flag, "Show C++ names as they are written."),
        Setting("lazy_symbolication", True, _flag, "Look user symbols up only when they are printed."),
        Setting("license", "GPL", _license, f"The license of the BPF programs: {', '.join(LICENSES)}."),
        Setting("log_size", 1_000_000, _number, "Bytes for the verifier's log."),
        Setting("max_bpf_progs", 1024, _number, "BPF programs that a script may generate."),
        Setting("max_cat_bytes", 10_240, _number, "Bytes that cat() prints of a file."),
        Setting("max_map_keys", 4096, _number, "Entries of maps that are not declared."),
        Setting("max_probes", 1024, _number, "Probes that a script may attach to."),
        Setting("max_strlen", 1024, _number, "Bytes of str(), buf() and path()."),
        Setting("missing_probes", "error", _missing_probes, "About probes that do not exist: ignore, warn or error."),
        Setting("on_stack_limit", 32, _number, "Bytes up to which a value is kept on the BPF stack."),
        Setting("perf_rb_pages", 0, _number, "Pages of the ring buffer; 0 means by the machine's memory."),
        Setting("print_maps_on_exit", True, _flag, "Print all maps at the end."),
        Setting("probe_inline", False, _flag, "Attach to functions also where they are inlined."),
        Setting("show_debug_info", False, _flag, "Show source files and lines in stacks."),
        Setting("stack_mode", "bpftrace", _stack_mode, "How stacks are printed: bpftrace, perf, raw or build_id."),
        Setting("str_trunc_trailer", "..", _text, "What is printed behind a string that was cut."),
        Setting("unstable_dw_ustack", "warn", _unstable, "Whether dw_ustack may be used: enable, warn or error."),
        Setting("unstable_import_statement", "error", _unstable, "Whether `import` may be a statement; as above."),
        Setting("unstable_tseries", "warn", _unstable, "Whether tseries() may be used; as above."),
        Setting("unstable_typeinfo", "error", _unstable, "Whether typeinfo() may be used; as above."),
        Setting("use_blazesym", False, _flag, "Use blazesym for symbols."),
    )
}
"""In the order in which the environment is read."""

RENAMED = {
    "strlen": "max_strlen",
    "no_cpp_demangle": "cpp_demangle",
    "cat_bytes_max": "max_cat_bytes",
    "map_keys_max": "max_map_keys",
}
DEPRECATED = frozenset(
    {
        "symbol_source", "max_type_res_iterations", "unstable_addr", "unstable_import", "unstable_macro",
        "unstable_map_decl",
    }
)  # fmt: skip
ENVIRONMENT_ONLY = frozenset({"btf", "kernel_build", "kernel_source", "vmlinux"})
_PREFIX = "bpftrace_"
CLOCK_MAP = "BPFTRACE_DUMMY_TS_MAP"
"""Names the scalar map whose value is tseries()' clock, so that a script's charts can be tested; environment only."""


def defaults(has_child: bool = False) -> dict[str, Any]:
    """Every key with its default.  Without address space randomisation, or with -c, symbols hold for the program."""
    values = {key: s.default for key, s in SETTINGS.items()}
    if has_child or not _randomised():
        values["cache_user_symbols"] = "PER_PROGRAM"
    return values


def _randomised() -> bool:
    try:
        with open("/proc/sys/kernel/randomize_va_space", encoding="ascii") as file:
            return file.read().strip() not in ("0", "-1")
    except OSError:
        return True


def settings(script: ast.Script, options: Options, diagnostics: Diagnostics) -> dict[str, Any]:
    """All settings of a run.  Raises UsageError (status 2) for a bad value in the environment."""
    values = defaults(options.has_child)
    for item in script.config.assignments if script.config else ():
        _assign(values, item, diagnostics)
    diagnostics.raise_errors()
    from_environment(values, options.environment)
    if CLOCK_MAP in options.environment:
        values[CLOCK_MAP] = options.environment[CLOCK_MAP]
    return values


def from_environment(values: dict[str, Any], environment: Mapping[str, str]) -> None:
    """BPFTRACE_<KEY> for every key.  Raises UsageError (status 2)."""
    for key, setting in SETTINGS.items():
        given = environment.get(f"BPFTRACE_{key.upper()}")
        if given is None:
            continue
        try:
            values[key] = setting.read(given, values[key])
        except SettingError as problem:
            message = str(problem) if problem.whole else f"{key}: {problem}"
            raise UsageError(message, exit_status=2) from None


def _assign(values: dict[str, Any], item: ast.ConfigAssignment, diagnostics: Diagnostics) -> None:
    if item.key in DEPRECATED:
        diagnostics.warning(f"{item.key} is deprecated and has no effect", item.span)
        return
    key = item.key.lower().removeprefix(_PREFIX)
    shown = item.key
    if key in RENAMED:
        shown = key = RENAMED[key]
    setting = SETTINGS.get(key)
    if setting is None:
        only = "can only be set as an environment variable"
        diagnostics.error(
            f"{item.key}: {only if key in ENVIRONMENT_ONLY else 'not a known configuration option'}", item.span
        )
        return
    try:
        values[key] = setting.read(item.value, values[key])
    except SettingError as problem:
        diagnostics.error(str(problem) if problem.whole else f"{shown}: {problem}", item.span)
        return
    if shown != item.key:
        diagnostics.warning(f"{item.key} has been renamed, please use {shown}", item.span)
