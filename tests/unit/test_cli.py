"""The command line itself; the commands are tested where their work is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tracesvc.cli import cli, main


def test_help_names_every_command() -> None:
    text = CliRunner().invoke(cli, ["--help"]).output
    for command in ("up", "api", "worker", "sample-plant", "demo", "keys", "status"):
        assert f"\n  {command} " in text
    assert "..." not in text.partition("Commands:")[2]


def test_help_needs_none_of_the_heavy_modules() -> None:
    program = (
        "import sys; from click.testing import CliRunner; from tracesvc.cli import cli;"
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0;"
        "print(*{'pydantic', 'duckdb', 'fastapi', 'redis', 'rich', 'arq'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == []


def test_what_a_person_can_put_right_is_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACE_PORT", "many")
    monkeypatch.setattr("sys.argv", ["tracesvc", "up"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: TRACE_PORT: ")


@pytest.mark.parametrize("place", ["environment", "file"])
def test_a_name_that_is_no_setting_is_pointed_out(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    if place == "file":
        (tmp_path / ".env").write_text("TRACE_WORKERS_COUNT=2\n")
    else:
        monkeypatch.setenv("TRACE_WORKERS_COUNT", "2")
    monkeypatch.setenv("TRACE_PORT", "many")
    monkeypatch.setattr("sys.argv", ["tracesvc", "up"])
    with pytest.raises(SystemExit):
        main()
    warning = (
        "warning: TRACE_WORKERS_COUNT is no setting and has no effect; did you mean TRACE_WORKER_COUNT?\n"
    )
    assert capsys.readouterr().err.startswith(warning)


@pytest.mark.parametrize("arguments", [["--tiny"], ["--containers", "50"]])
def test_a_sample_plant_is_written(arguments: list[str], tmp_path: Path) -> None:
    out = tmp_path / "plant.duckdb"
    answer = CliRunner().invoke(cli, ["sample-plant", str(out), *arguments])
    assert answer.exit_code == 0, answer.output
    assert str(out) in answer.output.replace("\n", "")
    assert out.stat().st_size > 0
