"""Programs compiled ahead (`--aot`), run by a Python that has neither lark nor llvmlite."""

from __future__ import annotations

import os
import shlex
import subprocess
import venv
from pathlib import Path

import pytest

from tests.harness import process
from tests.harness.machine import ROOT
from tests.harness.process import Finished
from tests.harness.tracer import SCALE

pytestmark = [pytest.mark.feature("root", "btf"), pytest.mark.usefixtures("nothing_left_behind")]


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a Python without any package but pytrace's own, which is seen through PYTHONPATH."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False)
    for module in ("lark", "llvmlite"):
        words = [str(folder / "bin" / "python"), "-c", f"import {module}"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert f"No module named '{module}'" in done.stderr
    return folder / "bin"


class Ahead:
    def __init__(self, pytrace: str, bare: Path, folder: Path) -> None:
        self.pytrace, self.bare, self.folder = pytrace, bare, folder

    def write(self, script: str, words: str = "", parameters: str = "") -> Finished:
        (self.folder / "script.bt").write_text(script)
        return self.write_from(f"{words} script.bt {parameters}")

    def write_from(self, words: str) -> Finished:
        command = f"{self.pytrace} --aot program {words}"
        return process.run(command, timeout=20 * SCALE, env=process.environment(), cwd=self.folder)

    def run(self, words: str = "", **env: str) -> Finished:
        """The file itself: its first line finds the bare Python in PATH."""
        path = f"{self.bare}:{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"
        given = {"PATH": path, "PYTHONPATH": str(ROOT), **env}
        return process.run(
            f"./program {words}", timeout=20 * SCALE, env=process.environment(**given), cwd=self.folder
        )

    def shown(self, script: str, words: str = "", parameters: str = "") -> str:
        """What the program prints, written and run."""
        written = self.write(script, parameters=parameters)
        assert written.status == 0 and not written.stdout, written.describe()
        done = self.run(words)
        assert done.status == 0 and not done.timed_out, done.describe()
        return done.stdout


@pytest.fixture
def ahead(pytrace: str, bare: Path, tmp_path: Path) -> Ahead:
    return Ahead(pytrace, bare, tmp_path)


EVERYTHING = """
begin { printf("%s %d\\n", "begin", nsecs > 0); @h = hist(3); @m["a", 1] = count(); @s = str("text"); print((1, "x")); }
end { printf("end %s\\n", strftime("%Y", 0)); }
"""


def test_prints_as_a_usual_run(ahead: Ahead, pytrace: str) -> None:
    program = ahead.shown(EVERYTHING)
    usual = process.run(f"{pytrace} script.bt", timeout=20 * SCALE, env=process.environment(), cwd=ahead.folder)
    assert program == usual.stdout and "@m[a, 1]: 1\n" in program


def test_no_compiler_is_even_looked_for(ahead: Ahead) -> None:
    """Every import of the run, as Python itself tells it."""
    ahead.write(EVERYTHING)
    done = ahead.run(PYTHONVERBOSE="1")
    imported = {line.split("'")[1] for line in done.stderr.splitlines() if line.startswith("import '")}
    assert "pytrace.runtime.session" in imported
    assert not {name for name in imported if name.split(".")[:2][-1] in ("lark", "llvmlite", "codegen", "grammar")}


def test_options_of_the_program(ahead: Ahead) -> None:
    ahead.write('begin { printf("hello\\n"); }')
    assert ahead.run("-q -f json").stdout.splitlines()[0] == '{"type": "printf", "data": "hello\\n"}'
    assert ahead.run("-o out").stdout == "" and "hello\n" in (ahead.folder / "out").read_text()
    assert "Attaching 'begin' probe" in ahead.run("-v").stderr
    assert "Attached" not in ahead.run("-q").stderr
    assert "bpftrace v0.27.1" in ahead.run("-V").stdout
    told = ahead.run("--help").stdout
    assert told.startswith("program - compiled ahead by pytrace from script.bt\n") and "--pid PID" in told
    for words in ("--unsafe", "-k", "12", "-c /bin/true -p 1", "-f xml"):
        done = ahead.run(words)
        assert done.status == 1 and done.stderr.startswith("ERROR: ") and not done.stdout, done.describe()


def test_exit_statuses(ahead: Ahead) -> None:
    ahead.write("begin { exit(7); }")
    assert ahead.run().status == 7
    missing = ahead.run("-c /nonexistent")
    assert missing.status == 1 and "does not exist or is not executable" in missing.stderr


def test_options_given_when_it_is_written_hold(ahead: Ahead) -> None:
    ahead.write("begin { print(1); }", words="-q -f json")
    done = ahead.run()
    assert done.stdout.startswith('{"type": "value"') and "Attached" not in done.stderr


@pytest.mark.feature("tracepoint")
def test_processes_are_chosen_when_it_runs(ahead: Ahead, test_programs: Path) -> None:
    program = test_programs / "act"
    script = "tracepoint:syscalls:sys_enter_getppid { @[comm, pid == cpid] = count(); }"
    assert "@[act, true]: 3\n" in ahead.shown(script, f"-c '{program} getppid 3'")
    ahead.write("tracepoint:syscalls:sys_enter_getppid { @[pid] = count(); } interval:ms:500 { exit(); }")
    first, second = (subprocess.Popen([str(program), "getppid", "2000000000"]) for _ in range(2))
    try:
        counted = ahead.run(f"-p {second.pid}").stdout
        assert f"@[{second.pid}]: " in counted and f"@[{first.pid}]: " not in counted
    finally:
        for child in (first, second):
            child.kill()
            child.wait()


@pytest.mark.feature("uprobe")
def test_traces_the_programs_it_was_compiled_for(ahead: Ahead, test_programs: Path) -> None:
    program = ahead.folder / "traced"
    program.write_bytes((test_programs / "calls").read_bytes())
    program.chmod(0o755)
    script = f"uprobe:{program}:plus {{ @[args.b, func] = count(); }}"
    assert "@[10, plus]: 1\n" in ahead.shown(script, f"-c '{program} 1 1500'")
    program.write_bytes((test_programs / "steps").read_bytes())
    changed = ahead.run(f"-c {program}")
    assert changed.status == 255 and "is not the program that it was" in changed.stderr, changed.describe()
    program.unlink()
    assert "cannot be read here" in ahead.run().stderr


def test_addresses_and_cgroups_are_those_of_the_run(ahead: Ahead) -> None:
    script = 'begin { print(ksym(kaddr("vfs_read"))); print(cgroupid("/sys/fs/cgroup") > 0); }'
    assert ahead.shown(script) == "vfs_read\ntrue\n\n\n"
    ahead.write('begin { print(kaddr("no_such_symbol")); }')
    done = ahead.run()
    assert done.status == 255 and "Failed to resolve kernel symbol: no_such_symbol" in done.stderr


def test_parameters_are_fixed_when_it_is_written(ahead: Ahead) -> None:
    script = 'begin { printf("%d %s %d\\n", $1, str($2), getopt("level", 3)); }'
    assert ahead.shown(script, parameters="42 word -- --level=9").startswith("42 word 9\n")
    done = ahead.write(script, parameters="42")
    assert done.status == 1 and "Positional parameter $2 has no value" in done.stderr, done.describe()
    assert "script.bt:1:38-40: ERROR: " in done.stderr


def test_nothing_is_left_of_a_failed_compilation(ahead: Ahead) -> None:
    ahead.write("begin { print(1); }")
    before = (ahead.folder / "program").read_bytes()
    for script, words in (("begin { nosuch }", ""), ("usdt:*:a:b { }", ""), ("begin { }", "-c /bin/true")):
        done = ahead.write(script, words)
        assert done.status == 1 and "ERROR: " in done.stderr, done.describe()
    assert (ahead.folder / "program").read_bytes() == before
    assert sorted(p.name for p in ahead.folder.iterdir()) == ["program", "script.bt"]
    elsewhere = ahead.write("begin { }", "--aot no/such/folder")
    assert elsewhere.status == 1 and "failed to open file 'no/such/folder'" in elsewhere.stderr


def test_a_python_without_pytrace_says_what_to_do(ahead: Ahead) -> None:
    ahead.write("begin { }")
    done = ahead.run(PYTHONPATH=str(ahead.folder))
    assert done.status == 1 and "needs pytrace's runtime" in done.stderr and "HINT: install pytrace" in done.stderr
    old = ahead.folder / "old" / "pytrace"
    old.mkdir(parents=True)
    (old / "__init__.py").write_text("")
    (old / "cli.py").write_text("")
    done = ahead.run(PYTHONPATH=str(old.parent))
    assert done.status == 1 and "cannot run it" in done.stderr and "or newer" in done.stderr, done.describe()


def test_imported_headers_are_not_needed_to_run(ahead: Ahead) -> None:
    (ahead.folder / "h.h").write_text("struct pair { int a; int b; };\n")
    ahead.write('import "h.h"; begin { print(sizeof(struct pair)); }')
    (ahead.folder / "h.h").unlink()
    (ahead.folder / "script.bt").unlink()
    assert ahead.run().stdout.startswith("8\n")


def test_the_file_is_small_and_plain(ahead: Ahead) -> None:
    ahead.write('begin { printf("hello\\n"); }')
    text = (ahead.folder / "program").read_text("ascii")
    assert text.startswith("#!/usr/bin/env python3\n") and len(text) < 8000
    assert shlex.quote("script.bt") in text and os.access(ahead.folder / "program", os.X_OK)


@pytest.mark.feature("uprobe")
def test_tables_of_argdist(ahead: Ahead, test_programs: Path) -> None:
    program = test_programs / "calls"
    written = ahead.write_from(f"argdist -C 'p:{program}:plus(int a, int b):int:b#sums'")
    assert written.status == 0, written.describe()
    done = ahead.run(f"-q -c '{program} 4'")
    assert "sums\n\tCOUNT      EVENT\n\t4          b = 10\n" in done.stdout, done.describe()
