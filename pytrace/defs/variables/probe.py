"""Builtin values that come from the probe: its name, its arguments, its context (spec 03 §3, 04 §1).

Place in the pipeline: rows for sema, codegen and help; how an argument is read is the business of the probe's own row.
In: call sites and lowerings.  Out: `ROWS`.  What a newcomer would get wrong: where such a value exists is decided by
`ProbeDef.features`, never by comparing provider names here, save where a message names one.
"""

from __future__ import annotations

from pytrace.defs.lowerings import function_entry, in_memory, in_own_namespace, kept_entry, process_id
from pytrace.defs.registers import INSTRUCTION, OFFSETS
from pytrace.grammar import ast
from pytrace.registry import VariableDef
from pytrace.types import INT64, KSYM, NONE, UINT64, USYM, VOID, ContextStruct, Pointer, Space, Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytrace.facets import CallSite, FoldSite, Lowering
    from pytrace.sema import typed
    from pytrace.types import Type

MOST_ARGUMENTS = 255
"""`arg0` to `arg254`: a USDT probe may have that many by its note's syntax; others have as many as registers."""


# ---------------------------------------------------------------- its name


def _probe_fold(site: FoldSite) -> ast.Expr | None:
    site.uses_attach_point()
    return None if site.attach_point is None else ast.String(site.attach_point.name, span=site.span)


def _probetype_fold(site: FoldSite) -> ast.Expr | None:
    return None if site.provider is None else ast.String(site.provider.probetype, span=site.span)


def _outside(name: str) -> Callable[[CallSite], Type]:
    """The type rule of what folding replaces in every probe: it is only reached outside of one."""

    def rule(site: CallSite) -> Type:
        site.error(f"{name} can only be used inside of a probe.")
        return NONE

    return rule


# ---------------------------------------------------------------- the traced function


def _func_type(site: CallSite) -> Type:
    if "func" not in site.provider.features:
        site.error(f"The func builtin can not be used with '{site.provider.name}' probes")
        return KSYM
    # At an entry, which may lie inside of the function, only the register tells; elsewhere the register is of no use.
    by_helper = "argn" not in site.provider.features
    if by_helper and site.target.feature("get_func_ip") is False:
        site.error(
            "BPF_FUNC_get_func_ip not available for your kernel version. Consider using the 'probe' builtin instead."
        )
    site.data = (by_helper, in_own_namespace(site), kept_entry(site))
    return USYM if site.provider.user_space else KSYM


def _func_address(em: Lowering, node: typed.Builtin) -> Any:
    by_helper, _, offsets = node.data
    return function_entry(em, offsets, node.span) if by_helper else em.load(em.ctx, UINT64, OFFSETS[INSTRUCTION])


def _func_into(em: Lowering, node: typed.Builtin, dest: Any) -> None:
    put_user_symbol(em, _func_address(em, node), dest, node.data[1])


def put_user_symbol(em: Lowering, address: Any, dest: Any, translate: bool) -> None:
    """A usym_t: uint64 address, uint32 pid, uint32 number of the program (values.UserAddress)."""
    em.put(dest, address, 0)
    em.put(dest, process_id(em, translate), 8)
    em.put(dest, em.const(em.instance.index, 32), 12)


def _func(em: Lowering, node: typed.Builtin) -> Any:
    return _func_address(em, node) if node.type == KSYM else in_memory(_func_into)(em, node)


# ---------------------------------------------------------------- its arguments and result


def _retval_type(site: CallSite) -> Type:
    provider = site.provider
    site.set_space(provider.space)
    if "retval" not in provider.features:
        hint = " (try to use args.ret instead)" if provider.name == "tracepoint" else ""
        site.error(f"The retval builtin can only be used with 'kretprobe' and 'uretprobe' and 'fentry' probes{hint}")
        return UINT64
    if site.attach_point.program_type != "tracing":
        return UINT64
    site.uses_attach_point()
    if site.attach_point.retval is None:
        site.error("Can't find a field $retval")
        return UINT64
    return site.attach_point.retval


def _retval(em: Lowering, node: typed.Builtin) -> Any:
    read = em.instance.attach_points[0].provider.lower_retval
    assert read is not None
    return read(em, node.type)


def _arg_type(number: int) -> Callable[[CallSite], Type]:
    def rule(site: CallSite) -> Type:
        provider = site.provider
        site.set_space(provider.space)
        if "argn" not in provider.features:
            site.error(f"The arg{number} builtin can only be used with 'kprobes', 'uprobes' and 'usdt' probes")
        elif number >= provider.arg_count:
            site.error(f"x86_64 doesn't support arg{number}")
        elif site.inlined:
            site.error(
                f"arg{number} is not available where a function was inlined",
                hints=("no registers are filled for a call; args.NAME is read from where the compiler keeps it",),
            )
        elif "own_arguments" in provider.features:
            site.uses_attach_point()  # each attach point says where its arguments are, and with what sign
            if provider.argn_problem is not None and (problem := provider.argn_problem(site.attach_point, number)):
                site.error(problem)
            return INT64
        return UINT64

    return rule


def _arg(number: int) -> Callable[[Lowering, typed.Builtin], Any]:
    def lower(em: Lowering, node: typed.Builtin) -> Any:
        read = em.instance.attach_points[0].provider.lower_argn
        assert read is not None
        return read(em, number)

    return lower


def _args_type(site: CallSite) -> Type:
    provider = site.provider
    site.set_space(provider.space)
    if "args" not in provider.features:
        site.error(
            "The args builtin can only be used with tracepoint, rawtracepoint, fentry/fexit, and uprobe probes "
            f"({provider.probetype} used here)"
        )
        return NONE
    site.uses_attach_point()
    args = site.attach_point.args
    point = site.attach_point
    problem = point.args_problem() if point.args_problem else ""
    if problem:
        site.error(problem, point.span)
        return NONE
    if args is None:
        site.error("Cannot read function parameters")
        return NONE
    return args


def _args_into(em: Lowering, node: typed.Builtin, dest: Any) -> None:
    """All arguments as one struct."""
    from pytrace.sema.typed import ArgRead

    assert isinstance(node.type, Struct)
    em.zero(dest, node.type.size)
    for index, member in enumerate(node.type.layout.fields):
        if member.bitfield is None and member.tag != "common":
            read = ArgRead(
                type=member.type, span=node.span, space=member.space or node.space, field=member, index=index
            )
            em.store(read, em.at(dest, member.offset))


# ---------------------------------------------------------------- its context


def _ctx_type(site: CallSite) -> Type:
    provider = site.provider
    site.set_space(Space.KERNEL)
    if "ctx" not in provider.features:
        if provider.name == "tracepoint":
            site.error("Use args instead of ctx in tracepoint")
        else:
            site.error(f"The ctx builtin can not be used with '{provider.name}' probes")
        return Pointer(VOID)
    name = provider.ctx_type
    if "{" in name:
        site.uses_attach_point()
        name = name.format(site.attach_point.function)
    found = site.type_named(name, "struct")
    if isinstance(found, Struct):
        return Pointer(ContextStruct(found.tag, found.name, lambda: found.layout))
    return Pointer(ContextStruct("struct", name, None) if name else VOID)


def _ctx(em: Lowering, node: typed.Builtin) -> Any:
    # As a `ptr`, so that its members are loaded: the verifier translates such loads, and only them.
    return em.ctx


ROWS = (
    VariableDef(
        name="probe",
        library=True,
        doc="Full name of the probe, as a string.",
        signatures=("string probe",),
        type_rule=_outside("probe"),
        fold=_probe_fold,
    ),
    VariableDef(
        name="probetype",
        library=True,
        doc="Kind of the probe, as a string: `kprobe`, `tracepoint`, `special` …",
        signatures=("string probetype",),
        type_rule=_outside("probetype"),
        fold=_probetype_fold,
    ),
    VariableDef(
        name="func",
        library=True,
        doc="The traced function: a kernel symbol, or a user symbol in uprobes.\n\nIn return probes, fentry and fexit "
        "it "
        "needs the helper get_func_ip (Linux 5.15 to 5.17).",
        signatures=("ksym_t func", "usym_t func"),
        type_rule=_func_type,
        lower=_func,
    ),
    VariableDef(
        name="retval",
        library=True,
        doc="What the traced function returned: a number, or its own type in fexit.",
        signatures=("uint64 retval",),
        type_rule=_retval_type,
        lower=_retval,
        allowed_in_loops=False,
    ),
    VariableDef(
        name="args",
        doc="The arguments of the traced function or event, by name: `args.filename`.",
        signatures=("struct args",),
        type_rule=_args_type,
        lower=in_memory(_args_into),
        lower_into=_args_into,
        reserved=True,
        by_place=True,
    ),
    VariableDef(
        name="ctx",
        doc="The program's context as the kernel passes it; the fields of an `iter` probe are read from it.",
        signatures=("struct * ctx",),
        type_rule=_ctx_type,
        lower=_ctx,
        reserved=True,
        allowed_in_loops=False,
    ),
    *(
        VariableDef(
            name=f"arg{number}",
            doc=f"Argument number {number} (from 0) of the traced function or USDT probe, as a 64-bit number.",
            signatures=(f"uint64 arg{number}",),
            type_rule=_arg_type(number),
            lower=_arg(number),
            family="arg0, arg1 …",
            reserved=True,
            allowed_in_loops=False,
        )
        for number in range(MOST_ARGUMENTS)
    ),
)
