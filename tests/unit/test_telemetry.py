"""What log lines tell of errors nobody expected: where, and nothing of what was read or asked."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Final

import pytest

from tests.parts import child_env
from tracesvc.telemetry import FORMAT, JsonLines, TextLines, error_in_short

SECRET: Final = "ora-password-1"


def _fails() -> None:
    try:
        raise OSError(f"cannot reach scott/{SECRET}@plant")
    except OSError as error:
        raise ValueError(f"no number: {SECRET}") from error


def failure() -> ValueError:
    with pytest.raises(ValueError, match="no number") as caught:
        _fails()
    return caught.value


def record(message: str, error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord("tracesvc.x", logging.ERROR, __file__, 1, message, (), info)
    made.job = ""
    return made


def test_an_error_is_its_type_and_the_places_it_came_through_innermost_first() -> None:
    told = error_in_short(failure())
    assert told.startswith("ValueError at test_telemetry.py:")
    first, before = told.split("; after ")
    assert "_fails < test_telemetry.py:" in first
    assert before.startswith("OSError at test_telemetry.py:")
    assert SECRET not in told


def test_the_errors_of_a_group_are_told_each() -> None:
    told = error_in_short(ExceptionGroup("two", [failure(), KeyError(SECRET)]))
    assert "ValueError at" in told
    assert "KeyError" in told
    assert SECRET not in told


@pytest.mark.parametrize("layout", [lambda: TextLines(FORMAT), JsonLines], ids=["text", "json"])
def test_a_log_entry_is_one_line_without_a_trace_or_the_error_s_text(
    layout: Callable[[], logging.Formatter],
) -> None:
    line = layout().format(record("a unit\nbroke off", failure()))
    assert len(line.splitlines()) == 1
    assert "Traceback" not in line
    assert SECRET not in line
    assert "ValueError at test_telemetry.py:" in line


def test_a_document_tells_the_error_beside_the_message() -> None:
    document = json.loads(JsonLines().format(record("broke off", failure())))
    assert document["message"] == "broke off"
    assert document["error"].startswith("ValueError at ")
    assert "error" not in json.loads(JsonLines().format(record("well")))


def test_a_process_that_ends_by_an_error_says_so_in_one_line() -> None:
    code = f"from tracesvc.telemetry import set_up_logging\nset_up_logging()\nraise RuntimeError({SECRET!r})"
    ended = subprocess.run(
        [sys.executable, "-c", code], env=child_env({}), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "the process ends" in line
    assert "RuntimeError at <string>:3 <module>" in line
    assert SECRET not in line
