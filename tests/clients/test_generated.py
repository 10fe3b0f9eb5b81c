"""Four generators make clients of the 3.1 description; the documents' programs trace with them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.parts import ROOT
from tests.support import Plant, Stack

HERE: Final = Path(__file__).parent
BIN: Final = Path(sys.executable).parent
PROGRAM: Final = re.compile(r"```\w+ file=(\S+)\n(.*?)```", re.DOTALL)
# What OpenAPI Generator says of every 3.1 document, of every union with null, and of the parameter `partial`.
KNOWN_WARNINGS: Final = (
    "3.1 support is still in beta",
    "Failed to get the schema name: null",
    "Partial (model name",
)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def stack(stacks: Callable[..., Stack], tiny_plant: Plant) -> Stack:
    return stacks(tiny_plant, workers=1)


@pytest.fixture(scope="module")
def folder(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the description, and the programs of the documents in their places."""
    made = tmp_path_factory.mktemp("clients")
    (made / "openapi-3.1.json").write_bytes(httpx.get(f"{stack.url}/openapi-3.1.json").content)
    for page in ("typescript", "python-generated"):
        text = (ROOT / "docs" / "clients" / f"{page}.md").read_text(encoding="utf-8")
        for name, program in PROGRAM.findall(text):
            path = made / "src" / name if name.endswith(".ts") else made / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(program, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def node(folder: Path) -> Path:
    """The folder with the tools of the Node project in it, at their locked versions."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    modules = HERE / "node_modules"
    if not (modules / ".package-lock.json").exists() or _mtime(modules / ".package-lock.json") < _mtime(
        HERE / "package-lock.json"
    ):
        run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], HERE)
        (modules / ".package-lock.json").touch()
    (folder / "node_modules").symlink_to(modules)
    for name in ("package.json", "tsconfig.json"):
        shutil.copy(HERE / name, folder)
    return folder


def _mtime(path: Path) -> float:
    return path.stat().st_mtime


def run(command: Sequence[str | Path], folder: Path, **env: str) -> str:
    done = subprocess.run(
        [*map(str, command)],
        cwd=folder,
        env=os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"} | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def generate(folder: Path, generator: str, *options: str) -> None:
    told = run(
        ["openapi-generator-cli", "generate", "-g", generator, "-i", "openapi-3.1.json", *options], folder
    )
    warnings = [line for line in told.splitlines() if " WARN " in line]
    assert [line for line in warnings if not any(known in line for known in KNOWN_WARNINGS)] == []


def check_types(folder: Path, program: str) -> None:
    """Under strict types, with TRACE_SOAK=1: mypy reads a hundred generated modules for it."""
    if os.environ.get("TRACE_SOAK"):
        run(["mypy", "--strict", "--follow-imports=silent", program], folder)


def traced(stack: Stack, command: Sequence[str | Path], folder: Path) -> dict[str, Any]:
    """Run a program against the service; what it says."""
    assert stack.plant is not None
    env = {
        "TRACE_URL": stack.url,
        "CONTAINER_IDS": ",".join(stack.plant.container_ids),
        "PYTHONPATH": str(folder),
    }
    found: dict[str, Any] = json.loads(run(command, folder, **env).splitlines()[-1])
    return found


def check(stack: Stack, found: dict[str, Any]) -> None:
    """What a program found is what the service says."""
    job = httpx.get(f"{stack.url}/api/trace/job/{found['job_id']}").json()
    assert job["status"] == "finished"
    records = job["progress"]["domains"]["history"]["records"]
    assert found == {"job_id": job["job_id"], "page": min(3, records), "records": records, "complete": True}
    assert records > 3


@pytest.fixture(scope="module")
def compiled(node: Path) -> Path:
    """All three TypeScript clients, and the programs, compiled under strict types."""
    schema = ("--default-non-nullable", "false", "-o", "src/schema.ts")
    told = run(["npx", "openapi-typescript", "openapi-3.1.json", *schema], node)
    sdk = ("-o", "src/hey", "-c", "@hey-api/client-fetch")
    told += run(["npx", "openapi-ts", "-i", "openapi-3.1.json", *sdk], node)
    assert "warn" not in told.lower()
    generate(node, "typescript-fetch", "-o", "src/og")
    run(["npx", "tsc", "-p", "."], node)
    return node


@pytest.mark.parametrize("program", ["openapi-fetch", "hey-api", "typescript-fetch"])
def test_a_typescript_client_traces(stack: Stack, compiled: Path, program: str) -> None:
    check(stack, traced(stack, ["npx", "tsx", f"src/{program}.ts"], compiled))


def test_openapi_python_client_traces(stack: Stack, folder: Path) -> None:
    run(
        ["openapi-python-client", "generate", "--path", "openapi-3.1.json", "--meta", "none",
         "--output-path", "tracesvc_api", "--overwrite", "--fail-on-warning"],
        folder,
    )  # fmt: skip
    check_types(folder, "example_opc.py")
    check(stack, traced(stack, [sys.executable, "example_opc.py"], folder))


def test_openapi_generators_python_client_traces(stack: Stack, folder: Path) -> None:
    generate(folder, "python", "--package-name", "tracesvc_og", "-o", ".")
    check_types(folder, "example_og.py")
    check(stack, traced(stack, [sys.executable, "example_og.py"], folder))
