"""Requests that nobody would think of, made from the description: no answer that it does not name."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.parts import ROOT
from tests.support import Plant, Stack

SOAK: Final = bool(os.environ.get("TRACE_SOAK"))
PHASES: Final = "examples,coverage,fuzzing,stateful" if SOAK else "examples,fuzzing,stateful"
EXAMPLES: Final = 200 if SOAK else 4
LINE: Final = 1000


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], tiny_plant: Plant) -> Stack:
    return stacks(tiny_plant, workers=1)


@pytest.mark.timeout(3600 if SOAK else 300)
def test_every_answer_is_as_described(stack: Stack, tmp_path: Path) -> None:
    seed = os.environ.get("TRACE_SOAK_SEED", "1")
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("--config-file", str(ROOT / "tests" / "schemathesis.toml")),
        *("run", f"{stack.url}/openapi.json", "--checks", "all", "--phases", PHASES),
        *("--max-examples", str(EXAMPLES), "--seed", seed, "--no-color", "--continue-on-failure"),
    ]
    done = subprocess.run(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, _shortened(done.stdout)
    assert "Tested: " in done.stdout


def _shortened(report: str) -> str:
    """Whole, but for the middle of its long lines: those are requests."""
    return "\n".join(
        line if len(line) <= LINE else f"{line[: LINE // 2]} … {line[-LINE // 2 :]}"
        for line in report.splitlines()
    )
