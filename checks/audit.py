"""Known faults of the packages that are locked: `make check-audit`.

The advisories are asked for over the network (osv.dev, and what npm's registry knows). Where they cannot be
had that is said, and only AUDIT=strict makes it a failure: a plant's network has no way out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

SECONDS: Final = 120
PYTHON: Final = (
    "pip-audit", "--require-hashes", "--disable-pip", "--vulnerability-service", "osv",
    "--progress-spinner", "off",
)  # fmt: skip


def audit_python(lock: Path) -> list[str] | None:
    """A line for each known fault of a locked package; None when the advisories cannot be had."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        program = Path(sys.executable).parent / PYTHON[0]
        command = [str(program), *PYTHON[1:], "-r", str(lock), "--format", "json", "--output", str(out)]
        try:
            subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
            found = json.loads(out.read_text(encoding="utf-8"))
        except (subprocess.TimeoutExpired, OSError, ValueError):
            return None
    return faults_of(found)


def faults_of(found: dict[str, Any]) -> list[str]:
    """The faults in pip-audit's document."""
    return [
        f"{package['name']} {package['version']}: {fault['id']}, mended in {fault['fix_versions'] or 'none'}"
        for package in found["dependencies"]
        for fault in package.get("vulns", [])
    ]


def audit_page(folder: Path) -> list[str] | None:
    """The same for the page's packages."""
    command = ["npm", "audit", "--json", "--omit=dev"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=SECONDS, check=False)
        faults = json.loads(done.stdout)["vulnerabilities"]
    except (subprocess.TimeoutExpired, OSError, ValueError, KeyError):
        return None
    return [f"{name}: {fault['severity']}, {fault['range']}" for name, fault in faults.items()]


def main() -> int:
    """Print what was found; the exit status."""
    strict = os.environ.get("AUDIT") == "strict"
    audits = {"requirements.lock": audit_python(Path("requirements.lock"))}
    if Path("web/package-lock.json").exists():
        audits["web/package-lock.json"] = audit_page(Path("web"))
    status = 0
    for name, faults in audits.items():
        if faults is None:
            print(f"{name}: not audited, as the advisories cannot be reached from here")
            status |= strict
            continue
        print(f"{name}: {len(faults)} known faults")
        status |= bool(faults)
        for fault in faults:
            print(f"  {fault}")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
