"""The package as it is shipped: folders against the list, nothing generic installed, the wheel run elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MAPPED = PROJECT["tool"]["setuptools"]["package-dir"]


def folder_of(package: str) -> Path:
    """Where a package's files are: its own mapping, or its parent's and its name."""
    if package in MAPPED:
        return ROOT / MAPPED[package]
    parent, _, name = package.rpartition(".")
    return folder_of(parent) / name


def packages_on_disk() -> set[str]:
    """Every folder with an __init__.py below the mapped ones, by the name it is imported under."""
    found = set()
    for package, folder in MAPPED.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            below = init.parent.relative_to(ROOT / folder).parts
            if not any((ROOT / folder / part).is_symlink() for part in below[:1]):
                found.add(".".join([package, *below]))
    return found


def test_package_list_equals_the_folders() -> None:
    listed = PROJECT["tool"]["setuptools"]["packages"]
    assert listed == sorted(listed)
    assert set(listed) == packages_on_disk()


def test_links_are_relative_and_lead_to_the_mapped_folders() -> None:
    for package, folder in MAPPED.items():
        if "." in package:
            link = ROOT / package.replace(".", "/")
            assert link.is_symlink() and os.readlink(link) == f"../{folder}"


def test_every_folder_with_python_is_a_package() -> None:
    for folder in MAPPED.values():
        for path in (ROOT / folder).rglob("*.py"):
            assert (path.parent / "__init__.py").exists(), f"{path.parent} has no __init__.py"


def test_bcc_is_no_dependency() -> None:
    extras = PROJECT["project"]["optional-dependencies"].values()
    names = PROJECT["project"]["dependencies"] + [name for extra in extras for name in extra]
    assert not [name for name in names if name.startswith("bcc")], "PyPI's bcc is another project"


def test_version_is_one() -> None:
    import pytrace

    assert pytrace.__version__ == PROJECT["project"]["version"]
    assert f"## {pytrace.__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel.  Built from a copy of what git would ship, so that nothing is left in the checkout."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    shipped = ["pyproject.toml", "README.md", "LICENSE", "docs", *MAPPED.values()]
    subprocess.run(["cp", "-a", *[str(ROOT / name) for name in shipped], str(source)], check=True)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, "--wheel-dir", str(out), str(source)], check=True, stdin=subprocess.DEVNULL)
    (made,) = out.glob("*.whl")
    return made


def test_wheel_has_all_and_nothing_generic(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    distribution = f"pytrace_bpf-{PROJECT['project']['version']}"
    assert tops == {"pytrace", f"{distribution}.dist-info", f"{distribution}.data"}
    for package in PROJECT["tool"]["setuptools"]["packages"]:
        for path in folder_of(package).iterdir():
            if path.is_file() and path.suffix in {".py", ".lark", ".pt", ".bt"}:
                assert f"{package.replace('.', '/')}/{path.name}" in names
    for folder in ("tools", "stdlib", "completions/bash", "completions/zsh"):
        for script in (ROOT / "pytrace" / folder).iterdir():
            assert f"pytrace/{folder}/{script.name}" in names
    for folder, files in PROJECT["tool"]["setuptools"]["data-files"].items():
        for file in files:
            assert f"{distribution}.data/data/{folder}/{Path(file).name}" in names


def test_wheel_installed_elsewhere_runs(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "elsewhere"
    venv.create(home, with_pip=False, system_site_packages=True)
    python = home / "bin" / "python3"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(wheel)], check=True, stdin=subprocess.DEVNULL)
    # lark and llvmlite are those of the environment that runs the tests
    (site,) = home.glob("lib/python3*/site-packages")
    own = [path for path in sys.path if path.endswith("site-packages")]
    (site / "borrowed.pth").write_text("\n".join(own) + "\n")
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(home / "bin" / "pytrace"), *arguments]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    for folder, files in PROJECT["tool"]["setuptools"]["data-files"].items():
        for file in files:
            assert (home / folder / Path(file).name).read_bytes() == (ROOT / file).read_bytes()
    version = run("--version")
    assert version.returncode == 0 and PROJECT["project"]["version"] in version.stdout, version.stderr
    # the grammar and its tables came along: a script is parsed and printed, without privileges
    (tmp_path / "script.pt").write_text("begin { @a = 1; }\n")
    formatted = run("--no-cache", "--mode", "format", "script.pt")
    assert formatted.returncode == 0 and "@a = 1;" in formatted.stdout, formatted.stderr
    assert "complete -F _pytrace" in run("--completion", "bash").stdout
    if os.geteuid() == 0:
        hello = run("--no-cache", "-e", 'begin { printf("from a wheel\\n"); }')
        assert hello.returncode == 0 and "from a wheel" in hello.stdout, hello.stderr
