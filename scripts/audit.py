"""Audit what jan-ort installs: known vulnerabilities (pip-audit) and licences, for the nightly workflow.

``python scripts/audit.py`` in an environment with jan-ort and pip-audit. The exit status is 1 if a package has a known
vulnerability or a licence that is not allowed here; ``--licences`` looks at these only, which needs no network.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ALLOWED = re.compile(
    r"\b(Apache|MIT|0?BSD|ISC|PSF|Python Software Foundation|MPL|Mozilla Public License 2|Unlicense|CC0|Zlib|HPND)\b"
)
"""Licences of code that an Apache-2.0 program may depend on; none of them asks anything of who serves with it."""


def closure(name: str) -> dict[str, metadata.Distribution]:
    """Return the installed distributions that a package needs, itself left out, by normalized name."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [name]
    while waiting:
        for text in metadata.distribution(waiting.pop()).requires or ():
            needed = Requirement(text)
            key = re.sub(r"[-_.]+", "-", needed.name).lower()
            if key in found or (needed.marker is not None and not needed.marker.evaluate({"extra": ""})):
                continue
            found[key] = metadata.distribution(needed.name)
            waiting.append(needed.name)
    return dict(sorted(found.items()))


def licence_of(distribution: metadata.Distribution) -> str:
    """Return what a distribution says of its licence, on one line; "" if it says nothing."""
    told = distribution.metadata
    classifiers = [each for each in told.get_all("Classifier") or () if each.startswith("License ::")]
    named = told.get("License-Expression") or "; ".join(each.rpartition(" :: ")[2] for each in classifiers)
    first_line = (told.get("License") or "").strip().partition("\n")[0]
    return named or first_line


def check_licences() -> bool:
    """Print each package with its licence; whether all are allowed."""
    refused = []
    for name, distribution in closure("jan-ort").items():
        licence = licence_of(distribution)
        is_allowed = bool(ALLOWED.search(licence)) and "GPL" not in licence
        remark = "" if is_allowed else "  NOT ALLOWED"
        print(f"{name:24} {distribution.version:12} {licence[:70] or '(none told)'}{remark}")
        refused += [] if is_allowed else [name]
    if refused:
        print(f"not allowed, or not told: {', '.join(refused)}; see ALLOWED in {Path(__file__).name}")
    return not refused


def check_vulnerabilities() -> bool:
    """Run pip-audit over the same packages at their installed versions; whether it found nothing."""
    others = {name: each for name, each in closure("jan-ort").items() if not name.startswith("jan-ort")}
    pins = "\n".join(f"{name}=={each.version}" for name, each in others.items())
    command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--strict", "-r", "/dev/stdin"]
    return subprocess.run(command, input=pins, text=True, check=False).returncode == 0


def main() -> None:
    """Check both, whatever the first says."""
    is_licensed = check_licences()
    is_sound = "--licences" in sys.argv[1:] or check_vulnerabilities()
    sys.exit(0 if is_licensed and is_sound else 1)


if __name__ == "__main__":
    main()
