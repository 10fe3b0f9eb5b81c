"""The compose files name only settings, services and volumes that there are.

Their shape is checked against the compose specification's own schema by `make check`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tracesvc.settings import Settings

OURS: Final = "tracesvc"  # other images have settings of their own
MAIN: Final = "docker-compose.yml"
PRODUCTION: Final = "docker-compose.prod.yml"
VARIABLE: Final = re.compile(r"\$\{(\w+)")


class _Loader(yaml.SafeLoader):
    """Takes Compose's own tags, which undo what another file said."""


for _tag in ("!reset", "!override"):
    _Loader.add_constructor(_tag, lambda loader, node: loader.construct_scalar(node))  # type: ignore[arg-type]


def find_problems(root: Path) -> list[str]:
    """Unknown names in both files, and a Redis that could evict results."""
    base = (root / MAIN).read_text(encoding="utf-8")
    problems = _of_file(MAIN, base, yaml.safe_load(base))
    over = (root / PRODUCTION).read_text(encoding="utf-8")
    known = yaml.safe_load(base)
    document = yaml.load(over, _Loader)  # noqa: S506 - a safe loader with two tags more
    document["volumes"] = known["volumes"]
    strange = [name for name in document["services"] if name not in known["services"]]
    problems += [f"{PRODUCTION}: {name} is no service of {MAIN}" for name in strange]
    return problems + _of_file(PRODUCTION, over, document)


def _of_file(name: str, text: str, document: Mapping[str, Any]) -> list[str]:
    settings = {name.upper() for name in Settings.model_fields}
    services = document["services"]
    problems = [f"${{{found}}} is no setting" for found in VARIABLE.findall(text) if found not in settings]
    for service, about in services.items():
        found = _of_service(about, services, document["volumes"], settings)
        problems += [f"{service}: {problem}" for problem in found]
    secrets = document.get("secrets", {})
    for service, about in services.items():
        wanted = [s if isinstance(s, str) else s["source"] for s in about.get("secrets", [])]
        problems += [f"{service}: {secret} is no secret" for secret in wanted if secret not in secrets]
    if "noeviction" not in services["redis"]["command"]:
        problems.append("redis: without --maxmemory-policy noeviction it may evict results")
    return [f"{name}: {problem}" for problem in problems]


def _of_service(
    service: Mapping[str, Any], services: Mapping[str, Any], volumes: Mapping[str, Any], settings: set[str]
) -> Iterator[str]:
    for name in service.get("environment", {}) if service.get("image", OURS) == OURS else ():
        if name not in settings:
            yield f"{name} is no setting"
    for name in service.get("depends_on", {}):
        if name not in services:
            yield f"depends on {name}, which is no service"
    for mount in service.get("volumes", []):
        name = mount.partition(":")[0]
        if not name.startswith((".", "/")) and name not in volumes:
            yield f"mounts {name}, which is no volume"
