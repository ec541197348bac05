"""The settings as values (spec 04 §1, 06 §5).

Place in the pipeline: rows for sema and help; both fold to literals.  In: fold sites.  Out: `ROWS`.  What a newcomer
would get wrong: the order of the fields is the reference's, by kind and then by name, and shows when the record is
printed.
"""

from __future__ import annotations

from pytrace.grammar import ast
from pytrace.registry import VariableDef
from pytrace.types import INT64, NONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.facets import FoldSite

_FLAGS = ("cpp_demangle", "lazy_symbolication", "print_maps_on_exit", "use_blazesym", "show_debug_info")
_NUMBERS = (
    "log_size", "max_bpf_progs", "max_cat_bytes", "max_map_keys", "max_probes", "max_strlen", "on_stack_limit",
    "perf_rb_pages",
)  # fmt: skip
_TEXTS = (
    "str_trunc_trailer", "unstable_import_statement", "unstable_tseries", "unstable_typeinfo", "unstable_dw_ustack",
    "missing_probes", "stack_mode", "license",
)  # fmt: skip


def _config_fold(site: FoldSite) -> ast.Expr:
    span, config = site.span, site.config
    values: list[tuple[str, ast.Expr]] = []
    values += [(key, ast.Boolean(bool(config.get(key, False)), span=span)) for key in _FLAGS]
    values += [(key, ast.Integer(int(config.get(key, 0)), span=span)) for key in _NUMBERS]
    values += [(key, ast.String(str(config.get(key, "")), span=span)) for key in _TEXTS]
    return ast.Record(tuple(ast.RecordField(key, value, span=span) for key, value in values), span=span)


def _length_fold(site: FoldSite) -> ast.Expr:
    return ast.Integer(int(site.config["max_strlen"]), span=site.span)


ROWS = (
    VariableDef(
        name="config",
        library=True,
        doc="A record of all settings: `config.max_strlen`, `config.stack_mode` …",
        signatures=("record config",),
        type_rule=lambda site: NONE,
        fold=_config_fold,
    ),
    VariableDef(
        name="default_str_length",
        library=True,
        doc="The capacity of a `str()` without a length: the setting `max_strlen`.",
        signatures=("int default_str_length",),
        type_rule=lambda site: INT64,
        fold=_length_fold,
    ),
)
