"""What stands under `deploy/` names only what there is: settings, metrics, paragraphs of the runbook.

Manifests are held against Kubernetes' own schemas, expressions are parsed as Prometheus does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import kubernetes_validate  # type: ignore[import-untyped]
import promql_parser
import yaml

from tracesvc import meters
from tracesvc.settings import Settings

SHARED: Final = re.compile(r'"(tracesvc_\w+)"')
NAME: Final = re.compile(r"\btracesvc_\w+")
VARIABLE: Final = re.compile(r"\b((?:TRACE|DB|EVENT_FETCHER)_[A-Z_]+)=")
KUBERNETES: Final = "1.33"


def find_problems(root: Path) -> list[str]:
    """Unknown names, expressions and manifests that would be refused."""
    folder = root / "deploy"
    found = [
        *_rules(root, folder / "prometheus" / "alerts.yml"),
        *_dashboard(root, folder / "grafana" / "tracesvc.json"),
        *(problem for path in sorted(folder.glob("systemd/*.service")) for problem in _unit(path)),
        *(problem for path in sorted(folder.glob("kubernetes/*.yaml")) for problem in _manifest(path)),
    ]
    return [f"deploy/{problem}" for problem in found]


def _metrics(root: Path) -> set[str]:
    """Every series of ours, as it is asked for."""
    own = {
        f"{family.name}{suffix}"
        for family in meters.REGISTRY.collect()
        for suffix in ("", "_total", "_bucket", "_count", "_sum", "_info")
    }
    return own | set(SHARED.findall((root / "src/tracesvc/routes/metrics.py").read_text(encoding="utf-8")))


def _expression(text: str, known: set[str]) -> Iterator[str]:
    try:
        promql_parser.parse(text)
    except ValueError as error:
        yield f"{text}: {error}"
    yield from (f"{name} is no metric" for name in sorted(set(NAME.findall(text)) - known))


def _rules(root: Path, path: Path) -> Iterator[str]:
    known = _metrics(root)
    for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            page, _, anchor = rule["annotations"]["runbook"].partition("#")
            headings = re.findall(r"^#+ (.*)$", (root / page).read_text(encoding="utf-8"), re.MULTILINE)
            if anchor not in {heading.strip().lower() for heading in headings}:
                yield f"prometheus: {rule['alert']} has no paragraph in {page}"
            yield from (f"prometheus: {problem}" for problem in _expression(rule["expr"], known))


def _dashboard(root: Path, path: Path) -> Iterator[str]:
    known = _metrics(root)
    for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", []):
            yield from (f"grafana: {problem}" for problem in _expression(target["expr"], known))


def _unit(path: Path) -> Iterator[str]:
    settings = {name.upper() for name in Settings.model_fields}
    for name in VARIABLE.findall(path.read_text(encoding="utf-8")):
        if name not in settings:
            yield f"systemd/{path.name}: {name} is no setting"


def _manifest(path: Path) -> Iterator[str]:
    settings = {name.upper() for name in Settings.model_fields}
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        if document["kind"] == "Kustomization":
            missing = [name for name in document["resources"] if not (path.parent / name).exists()]
            yield from (f"kubernetes: {name} is missing" for name in missing)
            continue
        try:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"kubernetes/{path.name}: {document['kind']}: {error.message}"
        yield from (f"kubernetes/{path.name}: {problem}" for problem in _names(document, settings))


def _names(document: dict[str, Any], settings: set[str]) -> Iterator[str]:
    if document["kind"] == "ConfigMap":
        yield from (f"{name} is no setting" for name in document["data"] if name not in settings)
