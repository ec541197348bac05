"""Stack traces (spec 02 §1, 04 §1).

Place in the pipeline: rows for sema, codegen and help.  In: call sites and lowerings.  Out: `ROWS`.  What a newcomer
would get wrong: the helper fills the whole array, zeros behind the last frame, also when it fails
(kernel/bpf/stackmap.c, __bpf_get_stack), so a stack is a good map key without clearing it first.

Layout (values.StackValue): uint64 number of frames; for user stacks uint32 pid and uint32 number of the program; then
the frames: addresses, or struct bpf_stack_build_id of linux/bpf.h.
"""

from __future__ import annotations

from pytrace.defs.lowerings import in_memory, in_own_namespace, kernel_offset, process_id
from pytrace.registry import Kind, Param, VariableDef
from pytrace.types import Stack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytrace.facets import CallSite, Lowering
    from pytrace.sema import typed
    from pytrace.target import Target
    from pytrace.types import Type
    from pytrace.unwinding import KernelOffsets

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


# ---------------------------------------------------------------- by debug information


def _unwound_type(site: CallSite) -> Type:
    """As ustack's; `data`: whether pids are translated, and where the kernel keeps what unwinding needs."""
    found = _stack_type("dw_ustack", True)(site)
    target = site.target
    if target.feature("bpf_loop") is False or target.feature("get_current_task_btf") is False:
        site.error("dw_ustack needs the BPF helpers loop and get_current_task_btf (Linux 5.17)")
    site.data = site.data, _kernel_offsets(target) if site.final else None
    return found


_FIELDS = {
    "mm": ("task_struct", "mm"), "utask": ("task_struct", "utask"), "start_stack": ("mm_struct", "start_stack"),
    "xol_area": ("mm_struct", "uprobes_state", "xol_area"), "vaddr": ("xol_area", "vaddr"),
    "return_instances": ("uprobe_task", "return_instances"), "xol_vaddr": ("uprobe_task", "xol_vaddr"),
    "probed": ("uprobe_task", "vaddr"), "stack": ("return_instance", "stack"),
    "orig_ret_vaddr": ("return_instance", "orig_ret_vaddr"), "next": ("return_instance", "next"),
}  # fmt: skip


def _kernel_offsets(target: Target) -> KernelOffsets | None:
    """None on a kernel whose structures are not known, or others: then stacks with return probes end early."""
    from pytrace.unwinding import KernelOffsets

    offsets = {}
    for key, (struct, *path) in _FIELDS.items():
        at = kernel_offset(target, struct, *path)
        if at is None:
            return None
        offsets[key] = at
    return KernelOffsets(**offsets)


def _unwound_into(em: Lowering, node: typed.Builtin, dest: Any) -> None:
    t = node.type
    assert isinstance(t, Stack)
    translate, kernel = node.data
    em.zero(dest, 16)
    if t.limit == 0:
        return
    process = process_id(em, translate)
    got = em.unwind(em.at(dest, 16), process, t.limit, t.mode == "build_id", kernel)
    with em.when_else(em.builder.icmp_signed("<", got, em.const(0))) as (then, otherwise):
        with then:
            unknown = em.builder.icmp_signed("==", got, em.const(-1))
            with em.when_else(unknown) as (no_tables, failed):
                with no_tables:
                    em.runtime_error("no_dwarf", node.span)
                with failed:
                    em.zero(dest, t.size)
                    em.runtime_error("ustack", node.span)
        with otherwise:
            em.put(dest, got, 0)
            em.put(dest, process, 8)
            em.put(dest, em.const(em.instance.index, 32), 12)


ROWS = (
    VariableDef(
        name="dw_ustack",
        library=True,
        doc="The user stack of a program without frame pointers, followed by its call frame information (`.eh_frame`)."
        + _FORMS.format(extra=", `build_id`")
        + "\n\nThe information of a process is read before its events: of the processes of `-p`, `-c` and "
        "`--dwarf-pid`; there must be one.  Others give an empty stack and a warning.  Libraries that a process loads "
        "later are found within a second.  A stack that cannot be followed to its end has `<unwind failure>` as its "
        "last line.  All frames but the first are the addresses of calls, not of what follows them.",
        signatures=("ustack_t dw_ustack", "ustack_t dw_ustack([mode, ][int limit])"),
        params=_PARAMS,
        type_rule=_unwound_type,
        lower=in_memory(_unwound_into),
        lower_into=_unwound_into,
        unstable="dw_ustack (DWARF stack unwinding)",
        needs=("bpf_loop", "get_current_task_btf"),
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
