"""The tables: one row for each builtin function, variable, aggregate, probe kind and map kind.

Place in the pipeline: above sema, codegen and runtime, which get rows through the Registry.  A module in one of the
sub-folders has `ROWS`, a tuple of its rows; that is all that it takes to enter one.  Modules whose name begins with `_`
have none: they hold what several rows share.  What a newcomer would get wrong: a row's module is imported when the row
is first asked for, since importing all sixty takes longer than compiling a one-liner.  `index.py` says which module has
which names; for a name that it does not know all modules are imported, so that a new row is there at once.
"""

from __future__ import annotations

import os
from importlib import import_module

from pytrace.registry import Registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.registry import Def

TABLES = ("functions", "variables", "aggregates", "probes", "maps")


def load_registry() -> Registry:
    """All rows; used when something must be compiled, listed or explained."""
    from pytrace.defs import index

    registry = Registry(lambda module: import_module(f"pytrace.defs.{module}").ROWS, modules())
    registry.expect(index.NAMES)
    return registry


def modules() -> tuple[str, ...]:
    """The modules with rows: `functions.output`."""
    here = os.path.dirname(__file__)
    return tuple(
        f"{table}.{name[:-3]}"
        for table in TABLES
        for name in sorted(os.listdir(os.path.join(here, table)))
        if name.endswith(".py") and name[0] != "_"
    )


def load_row(key: str) -> Def:
    """The row of a stored Program, `functions.output:printf`.  Raises KeyError when there is none."""
    module, _, name = key.partition(":")
    for row in import_module(f"pytrace.defs.{module}").ROWS:
        if row.name == name:
            return row  # type: ignore[no-any-return]
    raise KeyError(key)
