"""Other processes than the current one: the kernel's half of `comm(pid)` (spec 04 §1).

Place in the pipeline: a private row, called from the block that `comm(pid)` folds to.  In: lowerings.  Out: `ROWS`.
What a newcomer would get wrong: the task that bpf_task_from_pid gives is ours to release, on every path, or the
verifier refuses.
"""

from __future__ import annotations

from pytrace.defs.lowerings import in_memory
from pytrace.registry import FunctionDef, Kind, Param
from pytrace.types import Space, String, Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import CallSite, Lowering
    from pytrace.sema import typed
    from pytrace.types import Type

_NAME_SIZE = 16
"""TASK_COMM_LEN of linux/sched.h."""


def _comm_type(site: CallSite) -> Type:
    """string[64]; `data`: where the name lies in struct task_struct."""
    task = site.type_named("task_struct", "struct")
    member = task.layout.find("comm") if isinstance(task, Struct) else None
    site.data = member.offset if member is not None else 0
    return String(64)


def _comm_into(em: Lowering, call: typed.Call, dest: Any) -> None:
    from llvmlite import ir

    em.zero(dest, 64)
    b, i64 = em.builder, ir.IntType(64)
    task = em.kfunc("bpf_task_from_pid", "ptr", em.extend(em.value(call.args[0]), call.args[0].type, 32))
    with em.when(b.icmp_unsigned("!=", b.ptrtoint(task, i64), em.const(0))):
        name = b.add(b.ptrtoint(task, i64), em.const(call.data))
        em.read_string(dest, em.const(_NAME_SIZE), name, Space.KERNEL, call.span)
        em.kfunc("bpf_task_release", "void", task)


ROWS = (
    FunctionDef(
        name="__comm_of_pid",
        doc="The name of a process, empty if there is none.",
        signatures=("string __comm_of_pid(int32 pid)",),
        params=(Param("pid", Kind.INT),),
        type_rule=_comm_type,
        lower=in_memory(_comm_into),
        lower_into=_comm_into,
        needs=("bpf_task_from_pid",),
    ),
)
