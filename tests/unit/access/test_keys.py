"""`tracesvc keys` and the file it writes."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from tracesvc.access import key_file
from tracesvc.access.api_keys import make_key, read_keys, write_keys
from tracesvc.access.door import check_exposure
from tracesvc.access.key_file import KeyFile
from tracesvc.cli import cli
from tracesvc.errors import SettingsError
from tracesvc.settings import load_settings


def tool(*arguments: str, path: Path) -> str:
    ended = CliRunner().invoke(cli, ["keys", *arguments, "--file", str(path)], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def test_a_key_is_shown_once_listed_and_revoked(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key = tool("add", "mes", "--role", "operator", path=path).strip()
    caller = KeyFile(path).caller(key)
    assert caller is not None
    assert (caller.name, caller.role, caller.rate_class) == ("mes", "operator", "standard")
    listed = tool("list", path=path)
    assert "mes" in listed
    secret = key.split("_", 2)[2]
    assert secret not in listed + path.read_text()
    tool("revoke", "mes", path=path)
    assert KeyFile(path).caller(key) is None


def test_two_keys_of_one_name_are_one_caller_and_can_be_revoked_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    old, new = (tool("add", "mes", path=path).strip() for _ in range(2))
    assert KeyFile(path).caller(old) == KeyFile(path).caller(new)
    tool("revoke", read_keys(path)[0].id, path=path)
    assert KeyFile(path).caller(old) is None
    assert KeyFile(path).caller(new) is not None


def test_the_file_is_its_owner_s_and_stays_as_it_was_made(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    tool("add", "a", path=path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    tool("add", "b", path=path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["keys.json"]


@pytest.mark.parametrize("name", ["", "a b", "a:b", "../a", "a\n", "é", "a" * 65, "oidc:a"])
def test_names_that_could_be_taken_for_others_are_refused(name: str) -> None:
    with pytest.raises(SettingsError):
        make_key(name, "user", "standard")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"keys": [{"name": "a"}]}', '{"keys": [], "more": 1}'])
def test_what_is_no_key_file_refuses_the_start_without_showing_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match="is no key file"):
        KeyFile(path)


def test_a_missing_file_refuses_the_start_and_one_that_vanishes_lets_nobody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_file, "LOOK_SECONDS", 0.0)
    path = tmp_path / "keys.json"
    with pytest.raises(SettingsError, match="keys add"):
        KeyFile(path)
    key, entry = make_key("a", "user", "standard")
    write_keys(path, [entry])
    keys = KeyFile(path)
    assert keys.caller(key)
    path.unlink()
    assert keys.caller(key) is None
    write_keys(path, [entry])
    assert keys.caller(key)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "plant.example"])
def test_listening_for_others_needs_access_control_or_a_clear_word(host: str) -> None:
    with pytest.raises(SettingsError, match="TRACE_INSECURE"):
        check_exposure(load_settings(trace_host=host))
    check_exposure(load_settings(trace_host=host, trace_insecure=True))
    check_exposure(load_settings(trace_host=host, trace_api_keys_file="keys.json"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_on_this_machine_alone_nothing_is_needed(host: str) -> None:
    check_exposure(load_settings(trace_host=host))
