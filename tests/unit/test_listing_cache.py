"""`-l` from the cache: on a made-up tracefs and list of modules, whatever brings or takes a probe is seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytrace import cache, driver, listing
from pytrace.options import Options
from pytrace.runtime import identity, tracefs

MODULE = "nfs 4096 {users} - {state} {address} (E)\n"


class Kernel:
    """What the files of a kernel say, and how often a listing was made from them."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.tracing, self.modules, self.store = folder / "tracing", folder / "modules", folder / "cache"
        self.searches = 0
        self._capsys = capsys
        (self.tracing / "events").mkdir(parents=True)
        self.has("sched:switch")
        self.defines("")
        self.loads()

    def has(self, *events: str) -> None:
        (self.tracing / "available_events").write_text("".join(f"{e}\n" for e in events))
        for event in events:
            folder = self.tracing / "events" / event.replace(":", "/")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "format").write_text(f"ID: 1\nformat:\n\tfield:int x;\n\n\tfield:{event[:5]} y;\n")

    def defines(self, text: str) -> None:
        (self.tracing / "dynamic_events").write_text(text)

    def loads(self, users: int = 0, state: str = "Live", address: str = "0xffffffffc0000000") -> None:
        self.modules.write_text(MODULE.format(users=users, state=state, address=address))

    def listed(self, search: str = "t:*", **options: Any) -> list[str]:
        assert driver.list_probes(search, Options(cache_dir=str(self.store), **options)) == 0
        return self._capsys.readouterr().out.splitlines()


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Kernel:
    made = Kernel(tmp_path, capsys)
    search = listing.list_matching

    def counted(*arguments: Any) -> listing.Found:
        made.searches += 1
        return search(*arguments)

    monkeypatch.setattr(listing, "list_matching", counted)
    monkeypatch.setattr(driver, "check_privileges", lambda: None)
    monkeypatch.setattr(tracefs, "_PLACES", (str(made.tracing),))
    monkeypatch.setattr(identity, "_MODULES", str(made.modules))
    return made


def test_a_second_listing_is_not_searched_again(kernel: Kernel) -> None:
    for _ in range(3):
        assert kernel.listed() == ["tracepoint:sched:switch"]
        assert kernel.listed(verbose=1) == ["tracepoint:sched:switch", "    sched y"]
    assert kernel.searches == 2
    assert kernel.listed("t:sched:s*") == ["tracepoint:sched:switch"]
    assert kernel.searches == 3
    kernel.loads(users=7)  # a file system is mounted: no probe comes with that
    kernel.listed()
    assert kernel.searches == 3


def test_a_module_that_is_loaded(kernel: Kernel) -> None:
    kernel.listed()
    kernel.has("sched:switch", "nfs:open")
    kernel.loads(address="0xffffffffc0a00000")
    assert kernel.listed() == ["tracepoint:nfs:open", "tracepoint:sched:switch"]


def test_a_module_that_is_being_loaded(kernel: Kernel) -> None:
    kernel.loads(state="Loading")
    assert kernel.listed() == ["tracepoint:sched:switch"]
    kernel.has("sched:switch", "nfs:open")
    kernel.loads()
    assert kernel.listed() == ["tracepoint:nfs:open", "tracepoint:sched:switch"]


def test_an_event_that_a_user_defines_and_redefines(kernel: Kernel) -> None:
    kernel.listed(verbose=1)
    kernel.has("sched:switch", "mine:one")
    kernel.defines("p:mine/one /bin/true:0x10\n")
    assert "tracepoint:mine:one" in kernel.listed(verbose=1)
    (kernel.tracing / "events/mine/one/format").write_text("ID: 1\nformat:\n\tfield:int x;\n\n\tfield:long z;\n")
    kernel.defines("p:mine/one /bin/true:0x10 z=%ax\n")
    assert "    long z" in kernel.listed(verbose=1)
    kernel.has("sched:switch")
    kernel.defines("")
    assert kernel.listed(verbose=1) == ["tracepoint:sched:switch", "    sched y"]


def test_many_events_that_are_named_one_by_one(kernel: Kernel) -> None:
    """Their formats are not kept by content, but by what defines events."""
    events = [f"mine:event{i}" for i in range(40)]
    kernel.has(*events)
    search = ",".join(f"t:{e}" for e in events)
    assert len(kernel.listed(search, verbose=1)) == 80
    (kernel.tracing / "events/mine/event7/format").write_text("ID: 1\nformat:\n\tfield:int x;\n\n\tfield:long z;\n")
    kernel.defines("p:mine/event7 /bin/true:0x10 z=%ax\n")
    assert "    long z" in kernel.listed(search, verbose=1)


def test_an_event_that_comes_while_events_are_read(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen in the list or not, it is there the next time: what a listing depends on is noted before it is read."""
    read = tracefs.tracepoints

    def late() -> list[tuple[str, str]]:
        rows = read()
        kernel.has("sched:switch", "mine:one")
        kernel.defines("p:mine/one /bin/true:0x10\n")
        return rows

    monkeypatch.setattr(tracefs, "tracepoints", late)
    assert kernel.listed() == ["tracepoint:sched:switch"]
    assert kernel.listed() == ["tracepoint:mine:one", "tracepoint:sched:switch"]


def test_a_file_of_a_pattern_s_name(kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`*:true` means kernel probes called so, but with a file of that name that file's probes too."""
    monkeypatch.chdir(tmp_path)
    assert kernel.listed("tracepoint*:true") == []
    kernel.listed("tracepoint*:true")
    assert kernel.searches == 1
    (tmp_path / "true").write_bytes(b"")
    kernel.listed("tracepoint*:true")
    assert kernel.searches == 2


def test_a_list_of_functions_that_cannot_be_read_and_then_can(kernel: Kernel, tmp_path: Path) -> None:
    functions = tmp_path / "functions"
    options = {"traceable_functions": str(functions)}
    assert kernel.listed("kprobe:*", **options) == []
    functions.write_text("vfs_read\nrcu_lock\ndefault_idle\nnfs_open [nfs]\n")
    assert kernel.listed("kprobe:*", **options) == ["kprobe:nfs_open", "kprobe:vfs_read"]
    assert kernel.listed("kprobe:vfs_read,kprobe:rcu_lock,kprobe:default_idle", **options) == ["kprobe:vfs_read"]


def test_warnings_are_kept(kernel: Kernel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for level in (1, 1, 0):
        options = Options(cache_dir=str(kernel.store), traceable_functions=str(tmp_path / "none"), warning_level=level)
        driver.list_probes("kprobe:*", options)
        assert ("WARNING: Could not read functions" in capsys.readouterr().err) == bool(level)
    assert kernel.searches == 2  # the level is part of what was asked


@pytest.mark.parametrize("search", ["u:/bin/true:*", "usdt:/bin/true:*", "fentry:bpf:*"])
def test_what_changes_with_files_and_processes_is_not_kept(kernel: Kernel, search: str) -> None:
    kernel.listed(search)
    kernel.listed(search)
    assert kernel.searches == 2 and not kernel.store.exists()


def test_without_the_cache(kernel: Kernel) -> None:
    kernel.listed(use_cache=False)
    kernel.listed(pid=1)
    assert kernel.searches == 2 and not kernel.store.exists()


@pytest.mark.parametrize("plain", [None, 7, "text", (b"x\n", "warning"), (b"x\n", (1,)), (b"x\n", (), 0), ("x\n", ())])
def test_entries_of_another_form_are_searched_anew(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, plain: object
) -> None:
    monkeypatch.setattr(cache.Cache, "get_plain", lambda *_: plain)
    assert kernel.listed() == ["tracepoint:sched:switch"]


@pytest.mark.parametrize("damage", ["empty", "cut", "changed", "program"])
def test_a_damaged_entry_is_made_anew(kernel: Kernel, damage: str) -> None:
    kernel.listed()
    (entry,) = kernel.store.iterdir()
    data = entry.read_bytes()
    wrong = {
        "empty": b"",
        "cut": data[:-1],
        "changed": data.replace(b"sched:switch", b"sched:SWITCH"),
        "program": data.replace(b"pytrace-listing", b"pytrace-program"),
    }
    entry.write_bytes(wrong[damage])
    assert kernel.listed() == ["tracepoint:sched:switch"]
    assert kernel.searches == 2 and entry.read_bytes() == data


def test_a_store_that_is_open_to_others_is_not_used(kernel: Kernel) -> None:
    kernel.listed()
    kernel.store.chmod(0o755)
    kernel.listed()
    assert kernel.searches == 2


def test_old_entries_go(kernel: Kernel) -> None:
    for i in range(70):
        kernel.listed(f"t:sched:s*{i}")
    assert len(list(kernel.store.glob("*.listing"))) <= 64
    (kernel.store / "x.program").write_bytes(b"")
    assert driver.clear_cache(Options(cache_dir=str(kernel.store))) == 1
    assert not list(kernel.store.iterdir())
