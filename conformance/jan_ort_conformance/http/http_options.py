"""What a run of the HTTP kit judges and how much: the options of its command."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from jan_ort_conformance.verdicts.skips import Skips
from jan_ort_conformance.verdicts.verdict import Level
from jan_ort_conformance.verdicts.version import __version__
from jan_ort_openapi import load_spec


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """What is judged and how much; seconds and counts as the command line has them."""

    url: str
    key: str | None = None
    level: Level = Level.FULL
    only: tuple[str, ...] = ()
    seed: int | None = None
    max_examples: int = 50
    time_limit: float = 900.0
    max_tokens: int = 8
    timeout: float = 30.0
    server_cmd: str | None = None
    skips: Skips = field(default_factory=Skips)
    pristine: bool = False
    fuzz: bool = True
    ca_file: Path | None = None
    model: str | None = None
    profiles: tuple[str, ...] = ()

    def about(self, seed: int) -> dict[str, str]:
        """Return how a server is judged, for the reports."""
        tools = [f"{name} {metadata.version(name)}" for name in ("schemathesis", "hypothesis")]
        info = load_spec(pristine=True)["info"]
        title = info["title"].encode("ascii", "ignore").decode()  # it begins with an emoji, which few fonts have
        return {
            "level": self.level,
            "seed": str(seed),
            "document": f"{title} {info['version']}{' without overlay' if self.pristine else ' with overlay'}",
            "kit": ", ".join([f"jan-ort-conformance {__version__}", *tools]),
            "fuzzing": f"at most {self.max_examples} examples an operation, {self.time_limit:g} s, "
            f"generations bounded to {self.max_tokens} tokens"
            if self.fuzz
            else "off",
        }
