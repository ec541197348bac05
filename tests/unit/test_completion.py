"""What is offered at TAB: from the tables, without a shell and without the kernel."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytrace import completion, toolbox
from pytrace.completion import complete, split_line
from pytrace.option_table import OPTIONS
from tests.unit.recorded_target import RecordedTarget

BREAKS = " \t\n\"'@><=;|&(:"


def texts(*words: str) -> list[str]:
    return [text for text, _ in complete(list(words)).candidates]


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's probes are those of the recorded target."""
    from pytrace import driver
    from pytrace.defs import load_registry
    from pytrace.listing import list_matching
    from pytrace.options import Options

    def find(search: str, options: Options) -> object:
        return list_matching(search, load_registry(), RecordedTarget(), options).to_plain()

    monkeypatch.setattr(driver, "find_probes", find)


def test_every_option_is_offered_with_its_meaning() -> None:
    offered = dict(complete(["-"]).candidates)
    for option in OPTIONS:
        for name in (option.short and f"-{option.short}", option.long and f"--{option.long}"):
            if name:
                assert offered.get(name, "") == option.doc


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.values], ids=lambda o: o.name)
def test_values_of_options(option: completion.OptionDef) -> None:
    name = f"--{option.long}" if option.long else f"-{option.short}"
    assert texts(name, "") == list(option.values)
    if option.long:
        assert texts(f"{name}=") == [f"{name}={value}" for value in option.values]
    assert texts(name, option.values[0], "--unsa") == ["--unsafe"]


def test_compare_has_options_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert texts("comp") == ["compare"] and texts("--help", "comp") == ["compare"]
    assert texts("compare", "--tol") == ["--tolerance"] and texts("compare", "--order", "e") == ["exact"]
    (tmp_path / "compare").touch()
    assert texts("compare", "--tol") == []


def test_lists_of_values() -> None:
    assert texts("-d", "ast,") == [f"ast,{s}" for s in next(o for o in OPTIONS if o.short == "d").values if s != "ast"]
    assert texts("--no-feature", "uprobe_multi,kprobe_s") == ["uprobe_multi,kprobe_session"]


@pytest.mark.parametrize("name", toolbox.names())
def test_tools_and_their_options(name: str) -> None:
    assert name in texts(name[:-1])
    tool = toolbox.find(name)
    assert tool is not None
    offered = dict(complete([name, "-"]).candidates)
    for option in tool.options:
        assert offered[f"--{option.long}" + ("=" if option.argument else "")] == option.doc
        assert not option.letter or offered[f"-{option.letter}"] == option.doc
    assert texts(name, "--", "--") == [t for t in offered if t.startswith("--") and offered[t] in
                                       {o.doc for o in tool.options}]  # fmt: skip


@pytest.mark.usefixtures("probes")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("-l trace", ["tracepoint:sched:", "tracepoint:syscalls:"]),
        ("-l tracepoint:", ["tracepoint:sched:", "tracepoint:syscalls:"]),
        ("-l t:sc", ["t:sched:sched_process_exec", "t:sched:sched_switch"]),
        ("-lv t:sched:sched_sw", ["t:sched:sched_switch"]),
        ("-p 1 --list k:vfs_", ["k:vfs_open", "k:vfs_read"]),
        ("-l k:kv", ["k:kvm_init", "k:kvm:"]),
        ("-l k:kvm:", ["k:kvm:kvm_init", "k:kvm:shared"]),
        ("-l software:c", ["software:context-switches:", "software:cpu-clock:", "software:cpu-migrations:",
                           "software:cpu:", "software:cs:"]),
        ("-l software:cs:", ["software:cs:"]),
        ("-l t:sched:*", []),
        ("-l t:sched:*,k:vfs_", ["t:sched:*,k:vfs_open", "t:sched:*,k:vfs_read"]),
        ("-l nothing:", []),
        ("-l -e t:sched:sched_sw", ["t:sched:sched_switch {", "t:sched:sched_switch /"]),
        ("-e k:vfs_", ["k:vfs_open", "k:vfs_read"]),
        ("funccount t:sched:sched_sw", ["t:sched:sched_switch"]),
        ("funccount -p 1 t:sched:sched_sw", ["t:sched:sched_switch"]),
        ("funccount -p", ["-p"]),
        ("execsnoop something", []),
    ],
)  # fmt: skip
def test_probes(words: str, offered: list[str]) -> None:
    assert texts(*words.split()) == offered


@pytest.mark.usefixtures("probes")
def test_programs() -> None:
    first = "begin { @a = 1 } "
    assert texts("-e", first + "t:sched:sched_sw") == [f"{first}t:sched:sched_switch{end}" for end in (" {", " /")]
    assert texts("-e", "i:s:1,k:vfs_") == ["i:s:1,k:vfs_open", "i:s:1,k:vfs_read"]
    for inside in ("begin { pri", "k:vfs_read /pid", "k:vfs_read { if (1) { a", 'begin { print("t:sched:'):
        assert texts("-e", inside) == []


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    for name in ("tool.pt", "old.bt", "text", ".hidden.pt", "bin/run"):
        (tmp_path / name).touch()
    (tmp_path / "bin/run").chmod(0o755)
    assert texts("o") == ["offcputime", "oomkill", "opensnoop", "old.bt"]
    assert texts("te") == ["text"]  # nothing that fits better
    assert texts("./") == ["./bin/", "./old.bt", "./tool.pt"]
    assert texts("tool.pt", "") == texts("-o", "") == ["bin/", "old.bt", "text", "tool.pt"]
    assert texts("-o", ".") == [".hidden.pt"]
    assert texts("-I", "") == ["bin/"] and complete(["-I", ""]).more
    assert texts("-c", "r") == ["run"]
    assert texts("--output=te") == ["--output=text"]
    assert texts("-o", str(tmp_path / "none" / "x")) == []


def test_processes() -> None:
    assert str(os.getpid()) in texts("-p", "")
    assert dict(complete(["opensnoop", "--pid", str(os.getpid())]).candidates)


def test_topics_of_help() -> None:
    offered = texts("--help", "")
    assert {"printf", "comm", "count", "tracepoint", "opensnoop"} <= set(offered)


@pytest.mark.parametrize(
    ("line", "words", "quote", "raw"),
    [
        ("pytrace ", ["pytrace", ""], "", ""),
        ("pytrace  -l x:y", ["pytrace", "-l", "x:y"], "", "x:y"),
        ("pytrace -l 'x y", ["pytrace", "-l", "x y"], "'", "'x y"),
        ("pytrace -l 'x y' z", ["pytrace", "-l", "x y", "z"], "", "z"),
        ('pytrace "a\\"b', ["pytrace", 'a"b'], '"', '"a\\"b'),
        ("pytrace a\\ b", ["pytrace", "a b"], "", "a\\ b"),
        ("pytrace '' ", ["pytrace", "", ""], "", ""),
        ("", [""], "", ""),
    ],
)
def test_lines_of_a_shell(line: str, words: list[str], quote: str, raw: str) -> None:
    assert split_line(line) == (words, quote, raw)


@pytest.mark.usefixtures("probes")
def test_answers() -> None:
    assert completion.answer(["bash", "pytrace -l t:sched:sched_sw", BREAKS]) == "\nsched_switch\n"
    assert completion.answer(["bash", "pytrace -l 't:sched:sched_sw", BREAKS]) == "\nt:sched:sched_switch\n"
    assert completion.answer(["bash", "pytrace --mode=te", BREAKS]) == "\ntest\n"
    assert completion.answer(["bash", "pytrace opensnoop --pi", BREAKS]) == "nospace\n--pid=\n"
    assert completion.answer(["zsh", "-l", "'t:sched:sched_sw"]) == "\nt:sched:sched_switch\t\n"
    assert completion.answer(["zsh", "--quie"]) == "\n--quiet\tkeep messages quiet\n"
    for senseless in ([], ["bash"], ["zsh"], ["fish", "x"], ["bash", "pytrace --complete", ""]):
        assert completion.answer(senseless) in ("", "\n", "\n--completion\n")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_scripts(shell: str) -> None:
    assert f"--complete {shell} " in completion.script(shell)


def test_what_the_kernel_refuses_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    from pytrace import driver
    from pytrace.diagnostics import MachineError

    def refuse(*_: object) -> None:
        raise MachineError("no")

    monkeypatch.setattr(driver, "find_probes", refuse)
    assert completion.answer(["bash", "pytrace -l t:sched:", BREAKS]) == ""
