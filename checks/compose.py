"""The compose file names only settings, services and volumes that there are.

Its shape is checked against the compose specification's own schema by `make check`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tracesvc.settings import Settings

OURS: Final = "tracesvc"  # other images have settings of their own
VARIABLE: Final = re.compile(r"\$\{(\w+)")


def find_problems(root: Path) -> list[str]:
    """Unknown names in `docker-compose.yml`, and a Redis that could evict results."""
    text = (root / "docker-compose.yml").read_text(encoding="utf-8")
    settings = {name.upper() for name in Settings.model_fields}
    problems = [f"${{{name}}} is no setting" for name in VARIABLE.findall(text) if name not in settings]
    document = yaml.safe_load(text)
    services = document["services"]
    for name, service in services.items():
        problems += [
            f"{name}: {problem}" for problem in _of_service(service, services, document["volumes"], settings)
        ]
    if "noeviction" not in services["redis"]["command"]:
        problems.append("redis: without --maxmemory-policy noeviction it may evict results")
    return [f"docker-compose.yml: {problem}" for problem in problems]


def _of_service(
    service: Mapping[str, Any], services: Mapping[str, Any], volumes: Mapping[str, Any], settings: set[str]
) -> Iterator[str]:
    for name in service.get("environment", {}) if service.get("image") == OURS else ():
        if name not in settings:
            yield f"{name} is no setting"
    for name in service.get("depends_on", {}):
        if name not in services:
            yield f"depends on {name}, which is no service"
    for mount in service.get("volumes", []):
        name = mount.partition(":")[0]
        if not name.startswith((".", "/")) and name not in volumes:
            yield f"mounts {name}, which is no volume"
