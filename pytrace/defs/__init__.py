"""The tables: one row for each builtin function, variable, aggregate, probe kind and map kind.

Place in the pipeline: above sema, codegen and runtime, which get rows through the Registry.  A module in one of the
sub-folders has `ROWS`, a tuple of its rows; that is all that it takes to enter one.  Modules whose name begins with `_`
have none: they hold what several rows share.  What a newcomer would get wrong: `load_row` imports one module only, for
a warm start; nothing else may be imported on its way.
"""

from __future__ import annotations

from importlib import import_module

from pytrace.registry import Registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.registry import Def

TABLES = ("functions", "variables", "aggregates", "probes", "maps")


def load_registry() -> Registry:
    """All rows; used when something must be compiled, listed or explained."""
    from pkgutil import iter_modules

    registry = Registry()
    for table in TABLES:
        package = import_module(f"pytrace.defs.{table}")
        for info in iter_modules(package.__path__):
            if info.name.startswith("_"):
                continue  # what several rows share
            for row in import_module(f"pytrace.defs.{table}.{info.name}").ROWS:
                registry.add(f"{table}.{info.name}:{row.name}", row)
    return registry


def load_row(key: str) -> Def:
    """The row of a stored Program, `functions.output:printf`.  Raises KeyError when there is none."""
    module, _, name = key.partition(":")
    for row in import_module(f"pytrace.defs.{module}").ROWS:
        if row.name == name:
            return row  # type: ignore[no-any-return]
    raise KeyError(key)
