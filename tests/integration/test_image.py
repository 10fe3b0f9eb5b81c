"""The image's build steps, carried out natively, and what they built, started as the image starts it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.integration.dockerfile import Build, argv, stages
from tests.parts import START_SECONDS, Part, Valkey, child_env, free_port, wait_for
from tests.support import Plant
from tracesvc.access.api_keys import make_key, write_keys

ROOT: Final = Path(__file__).parents[2]
TEXT: Final = (ROOT / "Dockerfile").read_text(encoding="utf-8")
BUILD_SECONDS: Final = 420  # two installs and two builds beside other tests
NO_NODE: Final = "The page is built by Node 20 or newer with npm, which are not on this machine."


def test_the_stages_are_page_build_and_image_on_the_versions_that_are_tested() -> None:
    found = {stage.name: stage.base for stage in stages(TEXT)}
    assert found == {"page": "node:20-slim", "build": "python:3.11", "image": "python:3.11-slim"}


def test_the_image_runs_as_a_user_who_owns_nothing_but_the_data() -> None:
    steps = stages(TEXT)[-1].steps
    names = [name for name, _ in steps]
    assert dict(steps)["USER"] == "tracesvc"
    assert "RUN" not in names[names.index("USER") :], "nothing is changed after the user is"
    owned = re.findall(r"install -d -o tracesvc ([^&]+)", dict(steps)["RUN"])
    assert owned == ["/data /var/lib/tracesvc"]


def _environment(scratch: Path) -> dict[str, str]:
    """A Python of its own, as the base image has one; packages may come from this machine's caches."""
    base = scratch / "base"
    subprocess.run([sys.executable, "-m", "venv", str(base)], check=True, capture_output=True)
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    path = f"{base / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "npm_config_prefer_offline": "true", "npm_config_audit": "false"}


@pytest.mark.timeout(BUILD_SECONDS)
@pytest.mark.skipif(shutil.which("npm") is None, reason=NO_NODE)
def test_the_build_steps_make_a_service_with_its_page(tmp_path: Path, tiny_plant: Plant) -> None:
    page, build, image = stages(TEXT.replace("--no-cache ", ""))  # what this machine has is not fetched again
    work = Build(ROOT, tmp_path, _environment(tmp_path))
    work.run(page)
    work.run(build)
    bin_folder = work.place(image.name, "/opt/tracesvc/bin")
    copied = [value for name, value in image.steps if name == "COPY"]
    assert copied == ["--from=build /opt/tracesvc /opt/tracesvc"]
    has_pytest = subprocess.run(
        [bin_folder / "python", "-c", "import pytest"], capture_output=True, check=False
    )
    assert has_pytest.returncode != 0, "what only developers need is not in the image"
    if shutil.which("cc"):
        subprocess.run([bin_folder / "python", "-c", "import tracesvc.files._rows"], check=True)
    _serves_as_the_image_does(dict(image.steps), bin_folder, tmp_path, tiny_plant)


def _serves_as_the_image_does(steps: dict[str, str], bin_folder: Path, folder: Path, plant: Plant) -> None:
    """Its CMD from an empty folder, until its HEALTHCHECK says well; then the page and the API."""
    port = str(free_port())
    key, entry = make_key("mes", "user", "standard")
    write_keys(folder / "keys.json", [entry])
    program, *words = argv(steps["CMD"])
    check = steps["HEALTHCHECK"].partition("CMD ")[2].replace(":8000/", f":{port}/")
    probe = [str(bin_folder / "python"), *argv(check)[1:]]
    valkey = Valkey(folder / "valkey")
    bare = {name: value for name, value in child_env({}).items() if name != "PYTHONPATH"}  # no source tree
    env = bare | {
        "TRACE_REDIS_URL": valkey.url,
        "TRACE_SOURCE_URL": plant.url,
        "TRACE_API_KEYS_FILE": str(folder / "keys.json"),
        "TRACE_LOG_FORMAT": "json",
    }
    command = [str(bin_folder / program), *(port if word == "8000" else word for word in words)]
    part = Part("image", command, env=env, folder=folder)
    try:
        healthy = partial(_succeeds, probe)
        wait_for(healthy, timeout=START_SECONDS, message="the image's health check")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            assert '<div id="app">' in client.get("/").text
            assert client.get("/api/trace/jobs").status_code == 401
            answer = client.get("/api/trace/catalogue", headers={"Authorization": f"Bearer {key}"})
            assert answer.json()["domains"]
    finally:
        part.stop()
        valkey.part.stop()


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
