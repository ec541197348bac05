"""Stack traces (spec 02 §1, 04 §1).

Place in the pipeline: rows for sema, codegen and help.  In: call sites and lowerings.  Out: `ROWS`.  What a newcomer
would get wrong: the helper fills the whole array, zeros behind the last frame, also when it fails
(kernel/bpf/stackmap.c, __bpf_get_stack), so a stack is a good map key without clearing it first.

Layout (values.StackValue): uint64 number of frames; for user stacks uint32 pid and uint32 number of the program; then
the frames: addresses, or struct bpf_stack_build_id of linux/bpf.h.
"""

from __future__ import annotations

from pytrace.defs.lowerings import in_memory, in_own_namespace, process_id
from pytrace.registry import Kind, Param, VariableDef
from pytrace.types import Stack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytrace.facets import CallSite, Lowering
    from pytrace.sema import typed
    from pytrace.types import Type

_MODES = ("bpftrace", "raw", "perf", "build_id")
_DEFAULT_LIMIT = 127
_MOST_FRAMES = 1024
_USER_STACK = 1 << 8  # BPF_F_USER_STACK
_USER_BUILD_ID = 1 << 11  # BPF_F_USER_BUILD_ID


def _stack_type(name: str, user: bool) -> Callable[[CallSite], Type]:
    def rule(site: CallSite) -> Type:
        site.data = user and in_own_namespace(site)
        mode = str(site.config.get("stack_mode", "bpftrace"))
        if not site.args:
            if mode == "build_id" and not user:
                site.warning("'build_id' stack mode can only be used for ustack. Falling back to 'raw' mode.")
                mode = "raw"
            return Stack(user, mode, _DEFAULT_LIMIT)
        word, at = site.word(0), 0
        if word:
            at = 1
            if word in _MODES:
                mode = word
            else:
                site.error(
                    f"Error parsing stack mode: {name}: Invalid value for stack_mode: valid values are bpftrace, raw, "
                    "perf, and build_id.",
                    site.args[0].span,
                )
        elif len(site.args) == 2:
            site.error("Expected stack mode as first argument")
            at = 1
        limit = _limit(site, name, at) if at < len(site.args) else _DEFAULT_LIMIT
        if mode == "build_id" and not user:
            site.error("'build_id' stack mode can only be used for ustack")
        return Stack(user, mode, limit)

    return rule


def _limit(site: CallSite, name: str, at: int) -> int:
    given = site.literal(at)
    if not isinstance(given, int) or isinstance(given, bool) or given < 0:
        site.error(f"{name}: invalid limit value")
        return _DEFAULT_LIMIT
    if given > _MOST_FRAMES:
        site.error(f"{name}([int limit]): limit shouldn't exceed {_MOST_FRAMES}, {given} given")
        return _DEFAULT_LIMIT
    return given


def _stack_into(em: Lowering, node: typed.Builtin, dest: Any) -> None:
    t = node.type
    assert isinstance(t, Stack)
    start = 16 if t.user else 8
    flags = 0
    if t.user:
        flags = _USER_STACK | (_USER_BUILD_ID if t.mode == "build_id" else 0)
        em.put(dest, process_id(em, bool(node.data)), 8)
        em.put(dest, em.const(em.instance.index, 32), 12)
    if t.limit == 0:
        em.put(dest, em.const(0), 0)
        return
    size = em.const(t.limit * t.entry_size)
    got = em.helper("get_stack", em.ctx, em.at(dest, start), size, em.const(flags))
    b = em.builder
    failed = b.icmp_signed("<", got, em.const(0))
    frames = b.lshr(got, em.const(5 if t.entry_size == 32 else 3))
    em.put(dest, b.select(failed, em.const(0), frames), 0)
    with em.when(failed):
        em.runtime_error("ustack" if t.user else "kstack", node.span)


_PARAMS = (Param("mode", Kind.WORD, optional=True), Param("limit", Kind.WORD, optional=True))
_FORMS = (
    "\n\n`limit` frames at most, 127 if not given, 1024 at most.  `mode` is how they print: `bpftrace` "
    "(symbol+offset), "
    "`perf` (address, symbol+offset, file), `raw` (addresses){extra}; the default is the setting `stack_mode`."
)


def _dw_type(site: CallSite) -> Type:
    """Nothing yet reads .eh_frame into tables for the program, so it is refused, in so many words."""
    site.error("dw_ustack is not built yet; ustack follows frame pointers")
    return Stack(True, "bpftrace", _DEFAULT_LIMIT)


ROWS = (
    VariableDef(
        name="dw_ustack",
        library=True,
        doc="The user stack, unwound by debug information.  Not built yet.",
        signatures=("ustack_t dw_ustack", "ustack_t dw_ustack([mode, ][int limit])"),
        params=_PARAMS,
        type_rule=_dw_type,
        lower=in_memory(_stack_into),
    ),
    VariableDef(
        name="kstack",
        doc="The kernel stack." + _FORMS.format(extra=""),
        signatures=("kstack_t kstack", "kstack_t kstack([mode, ][int limit])"),
        params=_PARAMS,
        type_rule=_stack_type("kstack", False),
        lower=in_memory(_stack_into),
        lower_into=_stack_into,
        reserved=True,
    ),
    VariableDef(
        name="ustack",
        doc="The user stack, followed by frame pointers." + _FORMS.format(extra=", `build_id`"),
        signatures=("ustack_t ustack", "ustack_t ustack([mode, ][int limit])"),
        params=_PARAMS,
        type_rule=_stack_type("ustack", True),
        lower=in_memory(_stack_into),
        lower_into=_stack_into,
        reserved=True,
    ),
)
