"""What is compiled as one: a probe body for some attach points, or a subprogram.

Place in the pipeline: made by `instances`, read by all passes after it.  In: nothing.  Out: records.  What a newcomer
would get wrong: a unit's body is a tree of its own; two units of one probe share no folded nodes, because what folds
may differ between their attach points.
"""

from __future__ import annotations

from pytrace.record import field, record
from pytrace.types import Space

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace import types
    from pytrace.attach_points import AttachPoint
    from pytrace.grammar import ast
    from pytrace.registry import ProbeDef, VariableDef
    from pytrace.source import Span


@record(frozen=False, eq=False)
class Unit:
    """`attach_points` is empty for a subprogram.  `looks_at_args` and `separate`: what the body turned out to need."""

    index: int
    span: Span
    body: ast.Block
    predicate: ast.Expr | None = None
    attach_points: tuple[AttachPoint, ...] = ()
    probe: ast.Probe | None = None
    subprogram: ast.Subprogram | None = None
    looks_at_args: bool = False
    separate: bool = False

    @property
    def provider(self) -> ProbeDef | None:
        return self.attach_points[0].provider if self.attach_points else None

    @property
    def attach_point(self) -> AttachPoint | None:
        return self.attach_points[0] if self.attach_points else None

    @property
    def args(self) -> types.Struct | None:
        return self.attach_points[0].args if self.attach_points else None

    @property
    def space(self) -> str:
        """The address space of what has none of its own."""
        return self.provider.space if self.provider else Space.KERNEL


class Split(Exception):
    """A unit must be split before inference can go on: its body looks at the attach point."""

    def __init__(self, unit: Unit) -> None:
        super().__init__(unit.index)
        self.unit = unit


@record(frozen=False)
class Options:
    """What the command line and the environment say.  `environment`: the BPFTRACE_* variables."""

    positional: tuple[str, ...] = ()
    named: dict[str, str | bool] = field(default_factory=dict)
    pid: int | None = None
    has_child: bool = False
    unsafe: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    probe_filter: str | None = None
    include_dirs: tuple[str, ...] = ()
    include_files: tuple[str, ...] = ()
    no_feature: frozenset[str] = frozenset()
    listing_only: bool = False
    directory: str = "."
    """What relative imports start from."""
    run_pid: VariableDef | None = None
    """The value of -p where that is only known when the Program runs (`--aot`)."""
    mode: str = ""
    """"test" or "bench" where only such probes run."""
