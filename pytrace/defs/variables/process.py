"""Builtin values about the process that runs when the probe fires (spec 04 §1).

Place in the pipeline: rows for sema, codegen and help.  In: call sites and lowerings.  Out: `ROWS`.  What a newcomer
would get wrong: `pid` is what the kernel calls tgid, and it is counted in the *tracer's* PID namespace.

`username` is the uid (u64); the runtime looks the name up when it prints.
"""

from __future__ import annotations

from pytrace.defs.lowerings import in_memory, in_own_namespace, process_id, thread_id
from pytrace.grammar import ast
from pytrace.registry import Kind, Param, VariableDef
from pytrace.types import BOOL, INT32, UINT32, UINT64, USERNAME, Pointer, Space, String, Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytrace.facets import CallSite, FoldSite, Lowering
    from pytrace.sema import typed
    from pytrace.types import Type

_NAMESPACES = ("curr_ns", "init")


def _id_type(name: str) -> Callable[[CallSite], Type]:
    """uint32; `data` says whether the number must be translated to the tracer's namespace."""

    def rule(site: CallSite) -> Type:
        word = site.word(0) if site.args else "curr_ns"
        if not word:
            site.error(f"{name}() only supports curr_ns and init as the argument")
        elif word not in _NAMESPACES:
            site.error(f"Invalid PID namespace mode: {word} (expects: curr_ns or init)", site.args[0].span)
        site.data = word != "init" and in_own_namespace(site)
        return UINT32

    return rule


def _pid(em: Lowering, node: typed.Builtin) -> Any:
    return process_id(em, bool(node.data))


def _tid(em: Lowering, node: typed.Builtin) -> Any:
    return thread_id(em, bool(node.data))


def _uid(em: Lowering, node: typed.Builtin) -> Any:
    return em.builder.and_(em.helper_once("get_current_uid_gid"), em.const(0xFFFF_FFFF))


def _gid(em: Lowering, node: typed.Builtin) -> Any:
    return em.builder.lshr(em.helper_once("get_current_uid_gid"), em.const(32))


# ---------------------------------------------------------------- comm


def _comm_type(site: CallSite) -> Type:
    """string[16]; `data`: where in task_struct it is, or None to ask the helper."""
    site.set_space(Space.KERNEL)
    site.data = _offset_of_comm(site) if site.final else None
    return String(16)


def _offset_of_comm(site: CallSite) -> int | None:
    """Two loads from the task cost 10 ns less than the helper.  What lies behind the name is zero since Linux 5.17
    (commit 06c5088aeebb), the release that bpf_loop came with too; before, only the helper cleared it."""
    target = site.target
    if not (target.feature("get_current_task_btf") and target.feature("bpf_loop") and target.has_btf()):
        return None
    task = target.type_named("task_struct", "struct")
    field = task.layout.find("comm") if isinstance(task, Struct) else None
    return field.offset if field is not None and field.type.size == 16 and field.offset % 8 == 0 else None


def _comm_into(em: Lowering, node: typed.Builtin, dest: Any) -> None:
    if node.data is not None:
        task = em.helper_pointer("get_current_task_btf")
        for at in (0, 8):
            em.put(dest, em.load(task, UINT64, node.data + at), at)
        return
    # The helper fills all 16 bytes, zeros behind the name (kernel/bpf/helpers.c, strscpy_pad).
    em.helper("get_current_comm", dest, em.const(16))


def _comm_fold(site: FoldSite) -> ast.Expr | None:
    """`comm(pid)` is a block around the row that asks the kernel for one process's name."""
    if not site.args or site.attach_point is None:
        return None
    ap, span = site.attach_point, site.span
    if not site.target.kfunc_allowed("bpf_task_from_pid", ap.program_type):
        kind = ap.provider.probetype
        site.error(f"Syntax comm(PID) is not supported in this probe type yet. Type: {kind}")
        return ast.String("", span=span)
    pid, name = ast.Variable("comm(pid)", span=span), ast.Variable("comm(name)", span=span)
    missing = ast.Binary("==", name, ast.String("", span=span), span=span)
    warn = ast.Call("warnf", (ast.String("No such process (pid=%d)", span=span), pid), span=span)
    told = ast.Block(
        (ast.ExprStmt(warn, span=span), ast.Assign(name, "=", ast.String("N/A", span=span), span=span)), span=span
    )
    number = site.args[0]
    assert isinstance(number, ast.Expr)
    return ast.Block(
        (
            ast.Let(pid, None, number, span=span, declaration=span),
            ast.Let(name, None, ast.Call("__comm_of_pid", (pid,), span=span), span=span, declaration=span),
            ast.ExprStmt(ast.If(missing, told, span=span), span=span),
        ),
        name,
        span=span,
    )


# ---------------------------------------------------------------- the task and its relatives


def _task_type(site: CallSite) -> Type:
    site.set_space(Space.KERNEL)
    return Pointer(site.type_named("task_struct", "struct") or Struct("struct", "task_struct", None))


def _task(em: Lowering, node: typed.Builtin) -> Any:
    return em.helper_once("get_current_task")


def _of_task(*path: str) -> Any:
    """The fold of a value that is a member of the current (or the given) task."""

    def fold(site: FoldSite) -> ast.Expr:
        found = site.args[0] if site.args else ast.Identifier("curtask", span=site.span)
        assert isinstance(found, ast.Expr)
        for name in path:
            found = ast.FieldAccess(found, name, span=site.span)
        return found

    return fold


def _comm_of_relative(site: CallSite) -> Type:
    return String(16)


# ---------------------------------------------------------------- the child of -c


def _cpid(em: Lowering, node: typed.Builtin) -> Any:
    child = em.global_value("cpid")
    with em.when(em.builder.icmp_unsigned("==", child, em.const(0))):
        em.runtime_error("no_cpid", node.span)
    return child


def _has_cpid(em: Lowering, node: typed.Builtin) -> Any:
    return em.builder.icmp_unsigned("!=", em.global_value("cpid"), em.const(0))


def _cgroup(em: Lowering, node: typed.Builtin) -> Any:
    return em.helper_once("get_current_cgroup_id")


TARGET_PID = VariableDef(
    name="-p",
    doc="The process of -p, 0 without: read by the filter of programs that were compiled ahead.",
    signatures=("uint32 -p",),
    type_rule=lambda site: UINT32,
    lower=lambda em, node: em.builder.trunc(em.global_value("target_pid"), em.const(0, 32).type),
)
"""Not in `ROWS`: no script can name it."""

_NAMESPACE = (Param("namespace", Kind.WORD, optional=True),)
_TASK = (Param("task", Kind.ANY, optional=True),)


def _of_relative(name: str, what: str, relative: str, member: str) -> VariableDef:
    kind = "string" if member == "comm" else "int32"
    return VariableDef(
        name=name,
        library=True,
        doc=f"{what}, or of the given task's.",
        signatures=(f"{kind} {name}", f"{kind} {name}(struct task_struct * task)"),
        params=_TASK,
        type_rule=_comm_of_relative if member == "comm" else lambda site: INT32,
        fold=_of_task(relative, member),
    )


ROWS = (
    VariableDef(
        name="pid",
        doc="Process id of the current thread.\n\n`curr_ns` (the default) counts in the PID namespace of the tracer, "
        "`init` in the initial one.  The kernel calls this number tgid.",
        signatures=("uint32 pid", "uint32 pid([curr_ns|init])"),
        params=_NAMESPACE,
        type_rule=_id_type("pid"),
        lower=_pid,
        reserved=True,
    ),
    VariableDef(
        name="tid",
        doc="Thread id of the current thread.\n\nThe argument is that of `pid`.  The kernel calls this number pid.",
        signatures=("uint32 tid", "uint32 tid([curr_ns|init])"),
        params=_NAMESPACE,
        type_rule=_id_type("tid"),
        lower=_tid,
        reserved=True,
    ),
    VariableDef(
        name="uid",
        library=True,
        doc="User id of the current thread, as the initial namespace sees it.",
        signatures=("uint64 uid",),
        type_rule=lambda site: UINT64,
        lower=_uid,
    ),
    VariableDef(
        name="gid",
        library=True,
        doc="Group id of the current thread, as the initial namespace sees it.",
        signatures=("uint64 gid",),
        type_rule=lambda site: UINT64,
        lower=_gid,
    ),
    VariableDef(
        name="username",
        library=True,
        doc="Name of the current user.\n\nThe uid is recorded; the name is looked up when it is printed.",
        signatures=("username_t username",),
        type_rule=lambda site: USERNAME,
        lower=_uid,
    ),
    VariableDef(
        name="comm",
        library=True,
        doc="Name of the current thread, or of the process with the given id.\n\n`comm(pid)` needs a probe type that "
        "may call the task kfuncs (Linux 6.2); an unknown id gives `N/A` and a warning.",
        signatures=("string comm", "string comm(uint32 pid)"),
        params=(Param("pid", Kind.INT, optional=True),),
        type_rule=_comm_type,
        fold=_comm_fold,
        lower=in_memory(_comm_into),
        lower_into=_comm_into,
    ),
    VariableDef(
        name="curtask",
        library=True,
        doc="The kernel's `struct task_struct` of the current thread.",
        signatures=("struct task_struct * curtask",),
        type_rule=_task_type,
        lower=_task,
    ),
    _of_relative("ppid", "Process id of the parent of the current process", "real_parent", "pid"),
    _of_relative("pcomm", "Name of the parent of the current process", "real_parent", "comm"),
    _of_relative("leader_tid", "Thread id of the leader of the current thread group", "group_leader", "pid"),
    _of_relative("leader_comm", "Name of the leader of the current thread group", "group_leader", "comm"),
    VariableDef(
        name="cgroup",
        library=True,
        doc="Id of the cgroup (version 2) of the current process.",
        signatures=("uint64 cgroup",),
        type_rule=lambda site: UINT64,
        lower=_cgroup,
    ),
    VariableDef(
        name="cpid",
        library=True,
        doc="Process id of the command that `-c` started.\n\nWithout `-c` it is 0, and using it warns at run time; ask "
        "`has_cpid` first.",
        signatures=("uint64 cpid",),
        type_rule=lambda site: UINT64,
        lower=_cpid,
    ),
    VariableDef(
        name="has_cpid",
        library=True,
        doc="Whether there is a child process (`-c`), and `cpid` its id.",
        signatures=("bool has_cpid",),
        type_rule=lambda site: BOOL,
        lower=_has_cpid,
    ),
)
