"""What the compose files start, started natively: the same commands, settings and health checks."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml

from checks.compose import _Loader
from tests.parts import START_SECONDS, Part, Valkey, child_env, free_port, wait_for
from tests.support import Plant
from tracesvc.access.api_keys import make_key, write_keys

ROOT: Final = Path(__file__).parents[2]
BASE: Final = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
PRODUCTION: Final = yaml.load((ROOT / "docker-compose.prod.yml").read_text(encoding="utf-8"), _Loader)[
    "services"
]


def command_of(service: dict[str, Any], ports: dict[str, int]) -> list[str]:
    """The service's command with the ports of this test."""
    words = [str(ports.get(str(word), word)) for word in service["command"]]
    assert words[0] == "tracesvc"
    return [sys.executable, "-m", *words]


def healthy(service: dict[str, Any], ports: dict[str, int]) -> bool:
    """Run the service's health check."""
    kind, program, *arguments = service["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "python")
    for before, after in ports.items():
        arguments = [text.replace(f":{before}/", f":{after}/") for text in arguments]
    return subprocess.run([sys.executable, *arguments], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def started(
    tmp_path_factory: pytest.TempPathFactory, tiny_plant: Plant
) -> Iterator[tuple[str, str, dict[str, int]]]:
    """API and worker of the production files on a Redis with a password; the address, a key, the ports."""
    folder = tmp_path_factory.mktemp("plant")
    secrets = folder / "secrets"
    secrets.mkdir()
    key, entry = make_key("mes", "user", "standard")
    write_keys(secrets / "keys.json", [entry])
    valkey = Valkey(folder / "valkey")
    with valkey.client() as client:
        client.config_set("requirepass", "s3cret-of-redis")
    (secrets / "trace_redis_url").write_text(valkey.url.replace("//", "//:s3cret-of-redis@"))
    ports = {"8000": free_port(), "9100": free_port()}
    parts = []
    for name in ("worker", "api"):
        environment = BASE[name]["environment"] | PRODUCTION[name]["environment"]
        environment = {name: str(value) for name, value in environment.items() if value not in {None, "null"}}
        environment |= {
            "TRACE_SOURCE_URL": tiny_plant.url,
            "TRACE_SECRETS_DIR": str(secrets),
            "TRACE_WORKER_METRICS_ADDRESS": f"127.0.0.1:{ports['9100']}",
        }
        if "TRACE_API_KEYS_FILE" in environment:
            environment["TRACE_API_KEYS_FILE"] = str(secrets / "keys.json")
        parts.append(
            Part(name, command_of(BASE[name], ports), env=child_env({}) | environment, folder=folder)
        )
    try:
        for name in ("api", "worker"):
            wait_for(partial(healthy, BASE[name], ports), timeout=START_SECONDS, message=f"{name} is healthy")
        yield f"http://127.0.0.1:{ports['8000']}", key, ports
    finally:
        for part in (*parts, valkey.part):
            part.stop()


def test_the_production_files_start_a_service_that_wants_keys(
    started: tuple[str, str, dict[str, int]],
) -> None:
    url, key, _ = started
    with httpx.Client(base_url=url, timeout=30) as client:
        assert client.get("/api/trace/jobs").status_code == 401
        client.headers["Authorization"] = f"Bearer {key}"
        wait_for(lambda: client.get("/readyz").status_code == 200, timeout=START_SECONDS, message="ready")
        body = {"profile": "query_tool", "container_ids": ["0" * 16], "domains": ["holds"]}
        answer = client.post("/api/trace/events", json=body, headers={"Prefer": "respond-async"})
        assert answer.status_code == 202
        stream = client.get(answer.json()["stream_url"]).text.splitlines()
        assert '"complete"' in stream[-1]


def test_a_health_check_fails_where_nothing_listens() -> None:
    assert not healthy(BASE["api"], {"8000": free_port()})


@pytest.mark.parametrize(
    "path", sorted((ROOT / "deploy/systemd").glob("*.service")), ids=lambda path: path.name
)
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_units_are_understood_and_sandboxed(path: Path, tmp_path: Path) -> None:
    unit = tmp_path / path.name.replace("@", "@1")
    unit.write_text(path.read_text(encoding="utf-8").replace("/opt/tracesvc/bin/tracesvc", "/bin/true"))
    verified = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert verified.stderr.strip() == ""
    security = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)]
    assert subprocess.run(security, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_the_manifests_go_together() -> None:
    built = subprocess.run(
        ["kubectl", "kustomize", str(ROOT / "deploy/kubernetes")], capture_output=True, text=True, check=True
    )
    documents = list(yaml.safe_load_all(built.stdout))
    assert {
        "Deployment",
        "StatefulSet",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "NetworkPolicy",
    } <= {document["kind"] for document in documents}
    assert {document["metadata"].get("namespace", "tracesvc") for document in documents} == {"tracesvc"}
