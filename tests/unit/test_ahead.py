"""Programs compiled ahead: the file and its way back, what it takes for granted, its command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pytrace import ahead, cli
from pytrace.ahead_arguments import ahead_usage, check_ahead, parse_ahead
from pytrace.arguments import parse
from pytrace.defs import load_registry
from pytrace.diagnostics import Diagnostics, MachineError, ScriptError, UsageError
from pytrace.grammar.parser import parse as parse_script
from pytrace.option_table import Invocation
from pytrace.options import Options
from pytrace.program import FORMAT_VERSION, MapSpec, ProbeSpec, Program
from pytrace.runtime import identity, premises
from pytrace.runtime.facts import sources
from pytrace.runtime.machine import Machine
from pytrace.runtime.sys import kernel
from pytrace.sema.pipeline import analyse
from pytrace.sema.unit import Options as AnalysisOptions
from pytrace.source import Source
from tests.unit.recorded_target import RecordedTarget

PROGRAM = Program((MapSpec("@x", "hash", 8, 8, 16),), (), (), (), (), b"btf", {"license": "GPL"})
PREMISES = (("machine", "", "x86_64"),)


def parts(path: Path) -> tuple[int, dict[str, Any], bytes]:
    """What the file hands to `run_ahead`."""
    text = path.read_text()
    caught: list[tuple[int, dict[str, Any], bytes]] = []
    names = {"run_ahead": lambda *given: caught.append(given)}
    exec(compile(text[text.index("run_ahead(1") :], str(path), "exec"), names)
    return caught[0]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    options = Options(format="json", quiet=True, map_rows={"@a": "{value}"})
    ahead.write(str(tmp_path / "out"), PROGRAM, PREMISES, options, "dir/a b.bt")
    return tmp_path / "out"


def test_what_is_written_is_read_again(file: Path) -> None:
    found, kept, program = ahead.read(*parts(file))
    assert program == PROGRAM and found == PREMISES
    plain = {"output": "", "buffering": "line", "warning_level": 1}
    assert kept == {"format": "json", "quiet": True, "map_rows": {"@a": "{value}"}, **plain}
    assert os.access(file, os.X_OK) and os.listdir(file.parent) == ["out"]


def test_the_entry_point_that_files_call_stays() -> None:
    """Files of older versions call it: neither name nor parameters may change."""
    assert cli.run_ahead.__code__.co_varnames[: cli.run_ahead.__code__.co_argcount] == ("form", "about", "payload")


@pytest.mark.parametrize("form, program", [(ahead.FORM + 1, FORMAT_VERSION), (ahead.FORM, FORMAT_VERSION + 1)])
def test_another_version_is_named(file: Path, form: int, program: int) -> None:
    _, about, payload = parts(file)
    with pytest.raises(MachineError) as caught:
        ahead.read(form, {**about, "program": program, "pytrace": "9.9"}, payload)
    assert "written by pytrace 9.9" in str(caught.value) and f"format {FORMAT_VERSION})" in str(caught.value)
    assert "install pytrace 9.9, or compile 'dir/a b.bt' anew" in caught.value.advice
    assert caught.value.exit_status == 1


@pytest.mark.parametrize("damage", [lambda p: p[:-40], lambda p: b"", lambda p: p.replace(b"e", b"f", 3)])
def test_damage_is_told(file: Path, damage: Any) -> None:
    form, about, payload = parts(file)
    with pytest.raises(MachineError, match="damaged"):
        ahead.read(form, about, damage(payload))


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "no" / "such", tmp_path / "folder"):
        with pytest.raises(UsageError, match="failed to open file"):
            ahead.write(str(path), PROGRAM, PREMISES, Options(), "stdin")
    assert os.listdir(tmp_path) == ["folder"] and not os.listdir(tmp_path / "folder")


# ---------------------------------------------------------------- premises


def test_premises_hold_where_they_were_made(tmp_path: Path) -> None:
    binary = tmp_path / "prog"
    binary.write_bytes(b"no ELF")
    probe = ProbeSpec("probes.uprobe:uprobe", "uprobe:x", 0, {"path": str(binary)})
    program = Program((), (), (probe,), (), (), b"", {})
    found = premises.premises(Machine(), program)
    assert [kind for kind, *_ in found] == ["machine", "binary"]
    premises.check(found)
    binary.write_bytes(b"another")
    with pytest.raises(MachineError, match="is not the program that it was"):
        premises.check(found)
    binary.unlink()
    with pytest.raises(MachineError, match="cannot be read here"):
        premises.check(found)


@pytest.mark.parametrize(
    "premise, said",
    [
        (("machine", "", "vax"), "compiled for vax; this machine is"),
        (("kernel", "1.2.3", "other"), f"the kernel that it was compiled on, 1.2.3; this is {os.uname().release}"),
        (("kernel", os.uname().release, "other"), "another build of"),
        (("tomorrow", "", ""), "of which this pytrace knows nothing"),
    ],
)
def test_what_does_not_hold_is_named(premise: premises.Premise, said: str) -> None:
    with pytest.raises(MachineError) as caught:
        premises.check([premise])
    assert said in str(caught.value)


def test_the_number_of_an_event_is_no_premise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "events" / "sched" / "some"
    folder.mkdir(parents=True)
    monkeypatch.setattr("pytrace.runtime.tracefs.root", lambda: str(tmp_path))
    format_file = folder / "format"
    format_file.write_text("name: some\nID: 5\nformat:\n\tfield:int a;\n")
    path = "/elsewhere/events/sched/some/format"
    wanted = premises._event(path)
    format_file.write_text("name: some\nID: 77\nformat:\n\tfield:int a;\n")
    premises.check([("event", path, wanted)])
    format_file.write_text("name: some\nID: 5\nformat:\n\tfield:long a;\n")
    with pytest.raises(MachineError, match="sched:some has other fields here"):
        premises.check([("event", path, wanted)])
    format_file.unlink()
    with pytest.raises(MachineError, match="sched:some does not exist here"):
        premises.check([("event", path, wanted)])


def test_a_machine_that_compiles_ahead_keeps_to_what_all_have() -> None:
    machine = Machine(ahead=True)
    assert machine.cpu_slots() == 0 and machine.bpf_cpu() == "v3" and machine.fingerprint() == ()
    assert not machine.is_momentary and not machine.has_used_btf
    machine._note(identity.never())
    assert machine.is_momentary


def test_globals_that_are_looked_up_when_it_runs(tmp_path: Path) -> None:
    found = sources(kernel, None, 42, ("start_ns", f"cgroupid:{tmp_path}", "cgroupid:/no/such", "unknown:x"))
    assert found["target_pid"]() == 42 and found[f"cgroupid:{tmp_path}"]() == tmp_path.stat().st_ino
    assert "unknown:x" not in found
    with pytest.raises(MachineError, match="could not find the cgroup `/no/such`"):
        found["cgroupid:/no/such"]()


# ---------------------------------------------------------------- scripts


def messages(script: str, *positional: str) -> str:
    diagnostics = Diagnostics()
    try:
        tree = parse_script(Source("stdin", script.encode()), diagnostics)
        analyse(
            tree, registry=load_registry(), target=RecordedTarget(ahead=True),
            options=AnalysisOptions(positional=positional), diagnostics=diagnostics,
        )  # fmt: skip
    except ScriptError:
        pass
    return diagnostics.render()


def test_open_parameters_are_refused_at_their_place() -> None:
    assert "stdin:1:15-17: ERROR: Positional parameter $2 has no value" in messages("begin { print($2); }", "1")
    assert "stdin:1:19-21: ERROR: Positional parameter $1 has no value" in messages("begin { print(str($1)); }")
    assert "stdin:1:1-14: ERROR: Positional parameter $1 has no value" in messages("interval:s:$1,end { }")
    assert messages("begin { print($1); print($#); }", "1") == ""


def test_addresses_and_cgroups_are_left_to_the_run() -> None:
    assert messages('begin { print(kaddr("nothing")); print(cgroupid("/no/such")); }') == ""


# ---------------------------------------------------------------- command line


def test_the_programs_own_options() -> None:
    inv = Invocation()
    parse_ahead(["-c", "a b", "-qvv", "-o", "f", "-f", "json", "-B", "none", "--dry-run", "--dwarf-pid=1"], inv)
    options = inv.options
    assert (options.command, options.quiet, options.verbose, options.output) == ("a b", True, 2, "f")
    assert (options.format, options.buffering, options.dry_run, inv.dwarf_pid_texts) == ("json", "none", True, ["1"])


@pytest.mark.parametrize(
    "words", [["--unsafe"], ["-k"], ["word"], ["--", "word"], ["-p"], ["-f", "x"], ["-c", "a", "-p1"]]
)
def test_what_the_program_does_not_take(words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        parse_ahead(words, Invocation())
    assert not caught.value.usage


def test_its_help_names_every_option() -> None:
    text = ahead_usage("prog", "s.bt")
    assert all(f"--{name}" in text for name in ("cmd", "pid", "output", "quiet", "verbose", "help", "dry-run"))
    assert "-f FORMAT" in text and "-B MODE" in text


@pytest.mark.parametrize("words", [["-c", "true"], ["-p", "1"], ["--test"], ["--mode", "codegen"]])
def test_what_has_no_meaning_beside_it(words: list[str]) -> None:
    with pytest.raises(UsageError, match="--aot"):
        check_ahead(parse(["--aot", "f", "-e", "begin {}", *words]))


def test_debug_folders_add_up() -> None:
    assert parse(["--debuginfo", "/a:/b", "--debuginfo", "/c", "x.bt"]).options.debuginfo == "/a:/b:/c:"


def test_pids_of_the_unwinder_add_up() -> None:
    assert parse(["--dwarf-pid", "1", "--dwarf-pid", "0x2", "x.bt"]).dwarf_pid_texts == ["1", "0x2"]
