"""The rows themselves: every one is complete, documented, and on the reference page."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from pytrace import reference
from pytrace.defs import build_index, index, load_registry, load_row, modules
from pytrace.defs.functions import meta, unsafe
from pytrace.defs.name_tables import ERRORS, SIGNALS, SYSCALLS
from pytrace.defs.registers import OFFSETS
from pytrace.registry import Def, FunctionDef, Registry, VariableDef

REGISTRY = load_registry()
ROWS = [*REGISTRY.functions.values(), *REGISTRY.variables.values()]
CALLABLE = [row for row in ROWS if row.name.isidentifier()]  # the others are messages of the programs
SPECIFIED = """
    pid tid uid gid username comm pcomm ppid leader_comm leader_tid curtask cpu numaid ncpus cgroup nsecs elapsed
    jiffies
    rand cpid has_cpid probe probetype func retval arg0 args ctx kstack ustack dw_ustack
    usermode config default_str_length
    str buf strlen strcap strncmp strstr strcontains str_concat memcmp strerror signal_name syscall_name ksym usym kaddr
    percpu_kaddr uaddr reg ntop pton macaddr cgroupid cgroup_path bswap path socket_cookie kptr uptr len is_err
    container_of kfunc_exist kfunc_allowed is_str is_ptr is_array is_integer is_unsigned_integer is_literal assert
    static_assert assert_str fail delete has_key find signal signal_thread override write_user strftime skboutput
    unwatch
    printf print errorf warnf cat system join time clear zero exit debugf
"""


@pytest.mark.parametrize("name", SPECIFIED.split())
def test_what_the_specification_names_is_a_row(name: str) -> None:
    assert name in REGISTRY.functions or name in REGISTRY.variables


@pytest.mark.parametrize("row", CALLABLE, ids=lambda row: row.name)
def test_a_row_says_what_it_is_and_what_becomes_of_it(row: FunctionDef | VariableDef) -> None:
    assert row.doc.splitlines()[0].rstrip().endswith((".", ":")) or ":" in row.doc.splitlines()[0]
    assert row.signatures
    assert all(row.name in s for s in row.signatures)
    assert row.lower or row.lower_into or row.fold
    optional = [p.optional or p.variadic for p in row.params]
    assert optional == sorted(optional), "a required parameter behind an optional one"


def test_a_row_is_found_by_its_key() -> None:
    for row in ROWS:
        assert load_row(REGISTRY.key_of(row)).name == row.name


def test_the_index_is_current() -> None:
    """Without an entry there a row is found all the same, but slower."""
    assert Path(index.__file__).read_text() == build_index.build(), "run: python -m pytrace.defs.build_index"


def test_a_name_loads_its_module_only() -> None:
    read: list[str] = []

    def rows(module: str) -> tuple[Def, ...]:
        read.append(module)
        return import_module(f"pytrace.defs.{module}").ROWS  # type: ignore[no-any-return]

    registry = Registry(rows, modules())
    registry.expect(index.NAMES)
    assert "printf" not in registry.aggregates
    assert registry.variable("printf") is None
    assert read == []
    assert registry.function("__builtin_strlen") is REGISTRY.functions["strlen"]
    assert registry.probe("T") is REGISTRY.probes["tracepoint"]
    assert read == [index.NAMES["functions"]["strlen"], index.NAMES["probes"]["tracepoint"]]
    assert list(registry.functions) == list(REGISTRY.functions)
    assert set(read) == set(modules())


def test_what_the_index_does_not_know_is_found() -> None:
    registry = Registry(lambda module: import_module(f"pytrace.defs.{module}").ROWS, modules())
    names = {kind: {n: m for n, m in found.items() if n not in ("printf", "k")} for kind, found in index.NAMES.items()}
    registry.expect(names)
    assert registry.function("printf") is REGISTRY.functions["printf"]
    assert registry.probe("k") is REGISTRY.probe("kprobe")
    assert registry.function("no_such_function") is None


def test_the_reference_page_is_made_from_the_rows() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference.md"
    assert page.read_text() == reference.page(), "run: python -m pytrace.reference > docs/reference.md"


def test_an_entry_is_explained_by_name_and_by_alias() -> None:
    text = reference.explain("strncmp")
    assert text is not None
    assert text.startswith("  uint64 strncmp(")
    assert reference.explain("u") == reference.explain("uprobe")
    assert reference.explain("no such thing") is None
    assert reference.suggestion("strlne") == "did you mean 'strlen'?"


@pytest.mark.parametrize(
    ("name", "number"),
    [("SIGTERM", 15), ("term", 15), ("Kill", 9), ("SIGSTOP", 19), ("STOP", None), ("sigusr1", 10), ("FOO", None)],
)
def test_signal_names(name: str, number: int | None) -> None:
    assert unsafe.signal_number(name) == number


def test_fail_fills_its_format_in() -> None:
    assert meta.fill("%d%% of %s, %s, %lx", [50, "all", True, 255]) == "50% of all, true, ff"
    assert meta.fill("%5d|%-3s", [7, "a"]) == "7|a"
    assert meta.fill("%d %d", [1]) == "1 "


def test_name_tables() -> None:
    assert (ERRORS[2], SIGNALS[9], SYSCALLS[59], SYSCALLS[547]) == (
        "No such file or directory", "Killed", "execve", "pwritev2",
    )  # fmt: skip
    assert SYSCALLS[0] == "read"
    assert 400 not in SYSCALLS
    assert max(len(text) for table in (ERRORS, SIGNALS, SYSCALLS) for text in table.values()) < 64


def test_registers() -> None:
    assert OFFSETS["r15"] == 0
    assert OFFSETS["ip"] == OFFSETS["pc"] == 128
    assert OFFSETS["ss"] == 160
