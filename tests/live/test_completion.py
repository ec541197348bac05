"""TAB in a real bash and a real zsh, with the completion that pytrace gives them and this kernel's probes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest

from tests.harness import machine
from tests.harness.machine import ROOT
from tests.harness.terminal import Shell

pytestmark = pytest.mark.feature("root", "tracefs", "tracepoint")


@pytest.fixture(scope="module")
def shells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Shell]]:
    """shells("bash") is a bash that is opened once, in a folder with a few files, with this checkout's pytrace."""
    path = tmp_path_factory.mktemp("bin")
    command = path / "pytrace"
    command.write_text(f'#!/bin/sh\nPYTRACE_VENV={sys.prefix} exec {ROOT}/bin/pytrace "$@"\n')
    command.chmod(0o755)
    opened: dict[str, Shell] = {}

    def find(name: str) -> Shell:
        machine.need(name)
        if name not in opened:
            folder = tmp_path_factory.mktemp(name)
            for file in ("my script.pt", "notes.txt", "other.bt"):
                (folder / file).touch()
            (folder / "scripts").mkdir()
            opened[name] = Shell(name, folder, path, f'eval "$(pytrace --completion {name})"')
        return opened[name]

    yield find
    for shell in opened.values():
        shell.close()


IN_BOTH = [
    ("--mode=form", "--mode=format "),
    ("-d ast,typ", "-d ast,types "),
    ("-l tracepoint:sched:sched_swi", "-l tracepoint:sched:sched_switch "),
    ("-l 'tracepoint:sched:sched_swi", "-l 'tracepoint:sched:sched_switch' "),
    ("-l uprobe:/bin/bash:readline_internal_set", "-l uprobe:/bin/bash:readline_internal_setup "),
    ("-e 'tracepoint:sched:sched_swit", "-e 'tracepoint:sched:sched_switch "),
    ("opensnoop --flag", "opensnoop --flag_filter="),
    ("my", "my\\ script.pt "),
    ("scr", "scripts/"),
    ("-c sle", "-c sleep "),
    ("--nothing-like-it", "--nothing-like-it"),
]
"""What depends on the shell: colons, equals signs, commas, quotes, spaces in names, what no space is put behind."""
IN_BASH = [
    ("--mo", "--mode "),
    ("--mode codeg", "--mode codegen "),
    ("-B fu", "-B full "),
    ("-f js", "-f json "),
    ("-l tracepoint:sch", "-l tracepoint:sched:sched_"),
    ('-l "t:sched:sched_swi', '-l "t:sched:sched_switch" '),
    ("-l t:sched:sched_swi", "-l t:sched:sched_switch "),
    ("-lv sel", "-lv self:signal:SIGUSR1 "),
    ("-l uprobe:/bin/bas", "-l uprobe:/bin/bas"),
    ("-e 'begin { } tracepoint:sched:sched_swit", "-e 'begin { } tracepoint:sched:sched_switch "),
    ("-e 'begin { pri", "-e 'begin { pri"),
    ("opensn", "opensnoop "),
    ("opensnoop --fail", "opensnoop --failed "),
    ("opensnoop -x --qui", "opensnoop -x --quiet "),
    ("funccount tracepoint:sched:sched_swi", "funccount tracepoint:sched:sched_switch "),
    ("--help strfti", "--help strftime "),
    ("--help opensn", "--help opensnoop "),
    ("oth", "other.bt "),
    ("-o not", "-o notes.txt "),
    ("--include not", "--include notes.txt "),
    ("-I ", "-I scripts/"),
]
CASES = [("bash", *row) for row in IN_BOTH + IN_BASH] + [("zsh", *row) for row in IN_BOTH]


@pytest.mark.parametrize(("name", "line", "becomes"), CASES)
def test_tab(shells: Callable[[str], Shell], name: str, line: str, becomes: str) -> None:
    completed, shown = shells(name).complete(f"pytrace {line}")
    assert completed.removeprefix("pytrace ") == becomes
    for wrong in ("Traceback", "ERROR", "BUG", "command not found"):
        assert wrong not in shown


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_what_is_offered(shells: Callable[[str], Shell], name: str) -> None:
    shell = shells(name)
    _, shown = shell.complete("pytrace -l tracepoint:syscalls:sys_enter_openat", 2)
    assert "sys_enter_openat2" in shown
    _, shown = shell.complete("pytrace -d ", 2)
    assert all(stage in shown for stage in ("ast", "codegen-opt", "verifier"))
    _, shown = shell.complete("pytrace ", 2)
    assert all(word in shown for word in ("opensnoop", "other.bt", "scripts")) and "notes.txt" not in shown
