"""Imports of compiled BPF: functions, maps and data of an object, called from scripts on this kernel."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pytrace.codegen import backend
from tests.harness import process
from tests.harness.machine import ROOT, need
from tests.harness.process import Finished
from tests.harness.tracer import SCALE

pytestmark = [pytest.mark.feature("root", "btf"), pytest.mark.usefixtures("nothing_left_behind")]

OBJECTS = ROOT / "tests" / "objects"
Runner = Callable[..., Finished]


@pytest.fixture(scope="session")
def object_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tests/objects/imported.ll as an object, made by the LLVM that pytrace has."""
    path = tmp_path_factory.mktemp("objects") / "imported.bpf.o"
    path.write_bytes(backend.emit_object(backend.parsed((OBJECTS / "imported.ll").read_text()), "v3"))
    return path


@pytest.fixture
def run(pytrace: str, object_file: Path, tmp_path: Path) -> Runner:
    """run(script, *words): in a folder that has the object."""
    shutil.copy(object_file, tmp_path)

    def go(script: str, words: str = "--no-cache", **env: str) -> Finished:
        (tmp_path / "script.bt").write_text(script)
        command = f"{pytrace} -q {words} script.bt"
        return process.run(command, timeout=20 * SCALE, env=process.environment(**env), cwd=tmp_path)

    return go


def shown(done: Finished) -> str:
    assert done.status == 0 and not done.timed_out, done.describe()
    return done.stdout.rstrip("\n") + "\n"


def test_calls_in_every_form(run: Runner) -> None:
    script = """import "imported.bpf.o";
    begin { print((add_one(1), narrow(255), is_big(101), is_big(3), look(2), look(9), both(2, 3), five(1, 2, 3, 4, 5)));
      print(total(5)); print(str(word())); printf("%s %d\\n", other(RED), add_one(-5)); }"""
    assert shown(run(script)) == "(2, 0, true, false, 30, -1, 21, 54321)\n10\nconstant\nGREEN -4\n"


def test_data_and_maps_live_as_long_as_the_run(run: Runner) -> None:
    script = """import "imported.bpf.o";
    begin { print(bump(2)); print(bump(1)); nothing(4); nothing(1); print(noted());
      print((seen(7), seen(7), seen(8))); }
    end { print(bump(0)); print(seen(7)); }"""
    assert shown(run(script)) == "42\n43\n5\n(1, 2, 1)\n43\n3\n"


def test_types_of_the_object(run: Runner) -> None:
    script = """import "imported.bpf.o";
    begin { $p = (struct point *)0; print(added($p)); print(sizeof(struct point)); print(GREEN); }"""
    assert shown(run(script)) == "-1\n16\nGREEN\n"


def test_the_kernel_adapts_structures(run: Runner) -> None:
    """The object's task_struct has tgid at its start."""
    assert shown(run('import "imported.bpf.o"; begin { print((uint32)tgid_of(curtask) == pid(init)); }')) == "true\n"


def test_a_refusal_names_the_line_of_the_c_source(run: Runner) -> None:
    done = run('import "imported.bpf.o"; begin { print(bad(pid)); }')
    assert done.status == 255, done.describe()
    line = (OBJECTS / "imported.bpf.c").read_text().split("int bad(")[0].count("\n") + 1
    assert f"imported.bpf.c:{line}:" in done.stderr and "unbounded memory access" in done.stderr, done.describe()


def test_a_changed_object_is_not_served_from_the_cache(run: Runner, tmp_path: Path) -> None:
    script = 'import "imported.bpf.o"; begin { print(look(0)); }'
    assert shown(run(script, "--cache-dir cache")) == "10\n"
    assert shown(run(script, "--cache-dir cache")) == "10\n"
    path = tmp_path / "imported.bpf.o"
    data = path.read_bytes()
    at = data.index(b"\x0a\0\0\0\x14\0\0\0\x1e\0\0\0\x28\0\0\0")
    path.write_bytes(data[:at] + b"\x63" + data[at + 1 :])
    assert shown(run(script, "--cache-dir cache")) == "99\n"


def test_a_changed_script_or_header_is_not_served_from_the_cache(run: Runner, tmp_path: Path) -> None:
    script = '#include "value.h"\nimport "macro.bt"; begin { print((VALUE, value())); }'
    for number in (1, 2):
        (tmp_path / "value.h").write_text(f"#define VALUE {number}\n")
        (tmp_path / "macro.bt").write_text(f"macro value() {{ {number * 100} }}\n")
        assert shown(run(script, "-I . --cache-dir cache")) == f"({number}, {number * 100})\n"


def test_bpf_c_is_compiled_by_clang(run: Runner, tmp_path: Path) -> None:
    need("clang")
    shutil.copy(OBJECTS / "imported.bpf.c", tmp_path / "source.bpf.c")
    assert shown(run('import "source.bpf.c"; begin { print(add_one(1)); print(seen(1)); }')) == "2\n1\n"


def test_vmlinux_h_is_written_from_the_kernels_types(run: Runner, tmp_path: Path) -> None:
    need("clang")
    source = '#include "vmlinux.h"\nint size(void) { return sizeof(struct task_struct); }\n'
    (tmp_path / "size.bpf.c").write_text(source)
    assert shown(run('import "size.bpf.c"; begin { print((uint64)size() == sizeof(struct task_struct)); }')) == "true\n"


def test_what_clang_says_stands_at_the_import(run: Runner, tmp_path: Path) -> None:
    need("clang")
    (tmp_path / "wrong.bpf.c").write_text("int f( {\n")
    done = run('import "wrong.bpf.c"; begin { }')
    assert done.status == 1, done.describe()
    assert done.stderr.startswith("script.bt:1:1-21: ERROR: failed to build\n"), done.describe()
    assert "HINT: wrong.bpf.c:1:8: error: expected parameter declarator" in done.stderr


def test_without_clang_it_is_said_what_to_install(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "some.bpf.c").write_text("int f(void) { return 1; }\n")
    (tmp_path / "path").mkdir()
    for command in ("sh", "env", "dirname", "readlink", "bash"):
        (tmp_path / "path" / command).symlink_to(shutil.which(command) or "")
    done = run('import "some.bpf.c"; begin { }', PATH=str(tmp_path / "path"))
    assert done.status == 1, done.describe()
    assert "needs clang, which was not found in PATH" in done.stderr and "apt install clang" in done.stderr


def test_what_is_no_object_is_refused_at_the_import(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "text.bpf.o").write_text("no object\n")
    done = run('import "text.bpf.o"; begin { }')
    assert done.status == 1 and "text.bpf.o cannot be imported: it is no object of" in done.stderr, done.describe()
