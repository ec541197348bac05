"""Settings: spellings, the environment, and what is wrong with a value (spec 06 §5)."""

from __future__ import annotations

import pytest

from pytrace.diagnostics import Diagnostics, ScriptError, UsageError
from pytrace.grammar.parser import parse
from pytrace.sema import config
from pytrace.sema.unit import Options
from pytrace.source import Source


def settings(block: str, **environment: str) -> dict[str, object]:
    diagnostics = Diagnostics()
    script = parse(Source("stdin", f"config = {{ {block} }} begin {{ }}"), diagnostics)
    return config.settings(script, Options(environment=environment), diagnostics)


def test_defaults_have_every_key() -> None:
    assert settings("") == config.defaults()


def test_spellings() -> None:
    assert settings("BPFTRACE_MAX_STRLEN = 0x20")["max_strlen"] == 32
    assert settings("Max_Strlen = 64; max_strlen = 128")["max_strlen"] == 128
    assert settings('license = "Dual MIT/GPL"')["license"] == "Dual MIT/GPL"
    assert settings("stack_mode = perf; missing_probes = Ignore")["missing_probes"] == "ignore"
    assert settings("cpp_demangle = false; lazy_symbolication = 0")["lazy_symbolication"] is False
    assert settings("cache_user_symbols = 0")["cache_user_symbols"] == "NONE"
    assert settings("unstable_tseries = true; unstable_typeinfo = warn")["unstable_tseries"] == "enable"


def test_environment_overrides_the_block() -> None:
    assert settings("max_strlen = 32", BPFTRACE_MAX_STRLEN="64")["max_strlen"] == 64
    assert settings("", BPFTRACE_PRINT_MAPS_ON_EXIT="FALSE")["print_maps_on_exit"] is False


def test_a_bad_environment_ends_with_status_2() -> None:
    with pytest.raises(UsageError, match="max_map_keys: expecting a number, got abc") as caught:
        settings("", BPFTRACE_MAX_MAP_KEYS="abc")
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("nope = 1", "nope: not a known configuration option"),
        ("btf = 1", "btf: can only be set as an environment variable"),
        ("max_strlen = abc", "max_strlen: expecting a number, got abc"),
        ("cpp_demangle = maybe", "cpp_demangle: Invalid bool value: valid values are true, false, 1 or 0."),
    ],
)
def test_errors(block: str, message: str) -> None:
    with pytest.raises(ScriptError) as caught:
        settings(block)
    assert f"ERROR: {message}\n" in str(caught.value)


def test_renamed_and_deprecated_keys_warn() -> None:
    diagnostics = Diagnostics()
    script = parse(Source("stdin", "config = { strlen = 8; symbol_source = x } begin { }"), diagnostics)
    assert config.settings(script, Options(), diagnostics)["max_strlen"] == 8
    assert [d.message for d in diagnostics] == [
        "strlen has been renamed, please use max_strlen",
        "symbol_source is deprecated and has no effect",
    ]
