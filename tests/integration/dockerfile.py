"""Carry out a Dockerfile in a scratch directory: what `docker build` does, without its isolation."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

SHARED: Final = ("opt",)  # a virtual environment has its own path inside, so it stays where it was made
NEVER_COPIED: Final = ("__pycache__", "*.pyc")


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each instruction and what it says, in order; comments and line continuations are gone."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        if line.strip():
            name, _, value = line.strip().partition(" ")
            yield name, value.strip()


@dataclass
class Stage:
    """One `FROM`, with what comes after it."""

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)


def stages(text: str) -> list[Stage]:
    """The stages in order; one without a name is called `image`."""
    found: list[Stage] = []
    for name, value in instructions(text):
        if name == "FROM":
            base, *named = re.split(r"\s+AS\s+", value)
            found.append(Stage(named[0] if named else "image", base))
        else:
            found[-1].steps.append((name, value))
    return found


@dataclass
class Build:
    """Stages carried out below `scratch`, from the files of `context` that `.dockerignore` lets through."""

    context: Path
    scratch: Path
    env: Mapping[str, str]
    allowed: frozenset[str] = field(init=False)
    ignored: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        lines = (self.context / ".dockerignore").read_text(encoding="utf-8").split()
        assert lines[0] == "*", "everything is left out but what is named"
        self.allowed = frozenset(line[1:] for line in lines if line.startswith("!"))
        self.ignored = tuple(line for line in lines[1:] if not line.startswith("!"))

    def place(self, stage: str, path: str) -> Path:
        """Where an absolute path of a stage is."""
        parts = Path(path).parts[1:]
        return self.scratch.joinpath(*(parts if parts[0] in SHARED else (stage, *parts)))

    def words(self, stage: str, text: str) -> str:
        """A command with the stage's paths, `/build/...` and `/opt/...`, where they are here."""
        return re.sub(r"(?<![\w.])/(?:build|opt)\b[\w/.-]*", lambda hit: str(self.place(stage, hit[0])), text)

    def run(self, stage: Stage) -> None:
        """Every COPY and RUN of a stage."""
        workdir = self.place(stage.name, "/build")
        for name, value in stage.steps:
            if name == "WORKDIR":
                workdir = self.place(stage.name, value)
                workdir.mkdir(parents=True, exist_ok=True)
            elif name == "COPY":
                self._copy(value, workdir)
            elif name == "RUN":
                self._execute(self.words(stage.name, value), workdir)

    def _execute(self, command: str, workdir: Path) -> None:
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=workdir, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"

    def _copy(self, value: str, workdir: Path) -> None:
        *sources, target = shlex.split(value)
        origin = ""
        if sources[0].startswith("--from="):
            origin = sources.pop(0).removeprefix("--from=")
        for source in sources:
            found = self.place(origin, source) if origin else self._of_context(source)
            into_folder = target.endswith("/") and found.is_file()
            self._copied(found, workdir / target / found.name if into_folder else workdir / target)

    def _of_context(self, source: str) -> Path:
        assert Path(source).parts[0] in self.allowed, f".dockerignore leaves out {source}, which COPY wants"
        return self.context / source

    def _copied(self, source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=self._left_out)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)

    def _left_out(self, folder: str, names: list[str]) -> set[str]:
        """What `.dockerignore` takes away again; nothing of what a stage made."""
        left = shutil.ignore_patterns(*NEVER_COPIED)(folder, names)
        if Path(folder).is_relative_to(self.context):
            inside = Path(folder).relative_to(self.context)
            left |= {name for name in names if str(inside / name) in self.ignored}
        return left


def argv(value: str) -> list[str]:
    """The words of a CMD in its JSON form."""
    words: list[str] = json.loads(value)
    return words
