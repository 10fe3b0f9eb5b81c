"""The project around the code: its checks are clean and have teeth, versions and locks agree."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import uv

import tracesvc
from checks import compose, links, places, settings_docs, sizes
from checks.__main__ import CHECKS
from tracesvc.files import tables

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """An empty git work tree."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pins(lock: str) -> dict[str, str]:
    return dict(
        re.findall(r"^([a-z0-9-]+)==([^ ]+)", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE)
    )


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=;\[ ]", requirement, maxsplit=1)[0].lower() for requirement in requirements}


@pytest.mark.parametrize("name", CHECKS)
def test_the_tree_is_clean(name: str) -> None:
    assert CHECKS[name](ROOT) == []


def test_a_long_file_and_a_long_function_are_found(tree: Path) -> None:
    write(tree, "src/pkg/long.py", "def f() -> None:\n" + "    f()\n" * 300)
    write(tree, "src/pkg/short.py", "def f() -> None:\n    f()\n")
    write(tree, "src/pkg/long.c", "int f(void);\n" * 301)
    problems = sizes.find_problems(tree)
    assert sorted(problem.partition(" ")[0] for problem in problems) == [
        "src/pkg/long.c:",
        "src/pkg/long.py:",
        "src/pkg/long.py:1:",
    ]


@pytest.mark.parametrize(
    "text", ["see https://" + "pypi" + ".org/simple", "cd /" + "root/project", "x=/" + "work/a"]
)
def test_a_registry_or_a_machine_path_is_found(tree: Path, text: str) -> None:
    write(tree, "notes.md", f"first\n{text}\n")
    assert len(places.find_problems(tree)) == 1


def test_what_git_ignores_is_not_looked_at(tree: Path) -> None:
    write(tree, ".gitignore", "notes.md\n")
    write(tree, "notes.md", "cd /" + "root/project\n")
    assert places.find_problems(tree) == []


def test_only_links_that_lead_nowhere_are_found(tree: Path) -> None:
    write(tree, "other.md", "# Two words, here\n")
    write(
        tree,
        "page.md",
        "[a](other.md#two-words-here) [b](https://example.org/x) [c](gone.md) [d](other.md#no) `[e](f)`",
    )
    assert links.find_problems(tree) == [
        "page.md: gone.md leads nowhere",
        "page.md: other.md#no leads nowhere",
    ]


def test_unknown_names_in_the_compose_file_are_found(tree: Path) -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    production = (ROOT / "docker-compose.prod.yml").read_text(encoding="utf-8")
    write(tree, "docker-compose.prod.yml", production.replace("TRACE_API_KEYS_FILE", "TRACE_KEYS"))
    write(
        tree,
        "docker-compose.yml",
        text.replace("TRACE_REDIS_URL", "TRACE_REDIS").replace("noeviction", "allkeys-lru"),
    )
    problems = compose.find_problems(tree)
    assert "docker-compose.yml: api: TRACE_REDIS is no setting" in problems
    assert "docker-compose.prod.yml: api: TRACE_KEYS is no setting" in problems
    assert any("evict" in problem for problem in problems)


def test_settings_pages_that_differ_are_found(tree: Path) -> None:
    write(tree, ".env.example", settings_docs.env_example().replace("8000", "8001"))
    write(tree, "docs/settings.md", settings_docs.settings_page())
    assert [problem.partition(" ")[0] for problem in settings_docs.find_problems(tree)] == [".env.example"]


def test_the_version_is_said_once() -> None:
    assert tracesvc.__version__ == project()["project"]["version"] == version("tracesvc")


def test_the_build_needs_nothing_that_is_not_locked() -> None:
    assert project()["build-system"]["requires"] == [
        f"setuptools=={pins('requirements-dev.lock')['setuptools']}"
    ]


def test_the_locks_hold_what_is_asked_for_and_agree() -> None:
    asked = project()
    runtime, dev = pins("requirements.lock"), pins("requirements-dev.lock")
    wanted = names(asked["project"]["dependencies"] + asked["project"]["optional-dependencies"]["embedded"])
    assert wanted <= runtime.keys()
    assert names(asked["dependency-groups"]["dev"]) <= dev.keys()
    assert runtime.items() <= dev.items()


def test_a_wheel_carries_every_file_of_the_package(tmp_path: Path) -> None:
    build = [uv.find_uv_bin(), "build", "--wheel", "--no-build-isolation", "--python", sys.executable]
    subprocess.run([*build, "--quiet", "--out-dir", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    source = ROOT / "src"
    expected = {
        str(path.relative_to(source))
        for path in source.joinpath("tracesvc").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert expected <= set(zipfile.ZipFile(wheel).namelist())


def test_the_module_that_reads_lines_is_there_where_it_can_be_built() -> None:
    """A setup that cannot build it goes on without; one that could must not have."""
    headers = Path(sysconfig.get_path("include"), "Python.h")
    if shutil.which("cc") and headers.exists():
        assert tables.OWN_READER is not None, "there is a C compiler now: `make clean setup`"
