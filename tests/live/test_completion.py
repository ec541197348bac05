"""TAB in a real bash and a real zsh, with the completion that pytrace gives them and this kernel's probes."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.harness import machine
from tests.harness.machine import ROOT
from tests.harness.terminal import Shell

pytestmark = pytest.mark.feature("root", "tracefs", "tracepoint")


@pytest.fixture(scope="module", params=["bash", "zsh"])
def shell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    machine.need(request.param)
    folder, path = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("bin")
    for name in ("my script.pt", "notes.txt", "other.bt"):
        (folder / name).touch()
    (folder / "scripts").mkdir()
    command = path / "pytrace"
    command.write_text(f'#!/bin/sh\nPYTRACE_VENV={sys.prefix} exec {ROOT}/bin/pytrace "$@"\n')
    command.chmod(0o755)
    opened = Shell(request.param, folder, path, f'eval "$(pytrace --completion {request.param})"')
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("--mo", "--mode "),
        ("--mode=form", "--mode=format "),
        ("--mode codeg", "--mode codegen "),
        ("-B fu", "-B full "),
        ("-f js", "-f json "),
        ("-d ast,typ", "-d ast,types "),
        ("-l tracepoint:sched:sched_swi", "-l tracepoint:sched:sched_switch "),
        ("-l tracepoint:sch", "-l tracepoint:sched:sched_"),
        ("-l 'tracepoint:sched:sched_swi", "-l 'tracepoint:sched:sched_switch' "),
        ('-l "t:sched:sched_swi', '-l "t:sched:sched_switch" '),
        ("-l t:sched:sched_swi", "-l t:sched:sched_switch "),
        ("-lv sel", "-lv self:signal:SIGUSR1 "),
        ("-l uprobe:/bin/bas", "-l uprobe:/bin/bas"),
        ("-l uprobe:/bin/bash:readline_internal_set", "-l uprobe:/bin/bash:readline_internal_setup "),
        ("-e 'tracepoint:sched:sched_swit", "-e 'tracepoint:sched:sched_switch "),
        ("-e 'begin { } tracepoint:sched:sched_swit", "-e 'begin { } tracepoint:sched:sched_switch "),
        ("-e 'begin { pri", "-e 'begin { pri"),
        ("opensn", "opensnoop "),
        ("opensnoop --fail", "opensnoop --failed "),
        ("opensnoop --flag", "opensnoop --flag_filter="),
        ("opensnoop -x --qui", "opensnoop -x --quiet "),
        ("funccount tracepoint:sched:sched_swi", "funccount tracepoint:sched:sched_switch "),
        ("--help strfti", "--help strftime "),
        ("--help opensn", "--help opensnoop "),
        ("my", "my\\ script.pt "),
        ("oth", "other.bt "),
        ("scr", "scripts/"),
        ("-o not", "-o notes.txt "),
        ("--include not", "--include notes.txt "),
        ("-I ", "-I scripts/"),
        ("-c sle", "-c sleep "),
        ("--nothing-like-it", "--nothing-like-it"),
    ],
)
def test_tab(shell: Shell, line: str, becomes: str) -> None:
    completed, shown = shell.complete(f"pytrace {line}")
    assert completed.removeprefix("pytrace ") == becomes
    for wrong in ("Traceback", "ERROR", "BUG", "command not found"):
        assert wrong not in shown


def test_what_is_offered(shell: Shell) -> None:
    _, shown = shell.complete("pytrace -l tracepoint:syscalls:sys_enter_openat", 2)
    assert "sys_enter_openat2" in shown
    _, shown = shell.complete("pytrace -d ", 2)
    assert all(stage in shown for stage in ("ast", "codegen-opt", "verifier"))
    _, shown = shell.complete("pytrace ", 2)
    assert all(word in shown for word in ("opensnoop", "other.bt", "scripts")) and "notes.txt" not in shown
