"""A request as it was sent, and the shell line that sends it again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

_MOST_CHARACTERS = 4096
"""Of a body that stands in a line; of a longer one, what is repeated in it is written as a product."""

_MOST_SHOWN = 1600

_RUN = re.compile(rb"(.{1,16}?)\1{99,}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request as it was sent; ``credentials`` are those of a shell (``key.OWN``), or nothing."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    credentials: str

    def told(self) -> str:
        """Return its method, path and body, as a report shows them."""
        return f"{self.method} {urlsplit(self.url).path} {shown(self.body or b'')}".rstrip()

    def curl(self) -> str:
        """Return the shell line that sends it again."""
        words = ["curl", "-sS", "-i", "-N"]
        words += ["-X", self.method] if self.method != ("GET" if self.body is None else "POST") else []
        line = " ".join([*words, shlex.quote(self.url)])
        if self.credentials:
            line += f' -H "Authorization: {self.credentials}"'
        line += "".join(f" -H {shlex.quote(f'{name}: {value}')}" for name, value in self.headers.items())
        if self.body is None:
            return line
        program = _program(self.body) if len(self.body) > _MOST_CHARACTERS else ""
        return f"{program} | {line} --data-binary @-" if program else f"{line} --data-binary {_quoted(self.body)}"


def shown(content: bytes) -> str:
    """Return a body as a report shows it: whole, and of a long one its beginning, its end and its length."""
    text = content.decode(errors="replace")
    if len(text) <= _MOST_SHOWN:
        return text
    return f"{text[: _MOST_SHOWN * 3 // 4]} … {text[-_MOST_SHOWN // 4 :]} ({len(content):,} bytes)"


def _quoted(body: bytes) -> str:
    try:
        return shlex.quote(body.decode("ascii"))
    except UnicodeDecodeError:
        escaped = "".join(chr(b) if 0x20 <= b < 0x7F and b not in b"\\'" else f"\\x{b:02x}" for b in body)
        return f"$'{escaped}'"


def _program(body: bytes) -> str:
    """Return the command that writes a body with long repetitions; nothing for a body that has none."""
    parts, end = [], 0
    for run in _RUN.finditer(body):
        parts += [repr(body[end : run.start()]), f"{run[1]!r}*{len(run[0]) // len(run[1])}"]
        end = run.end()
    source = f"import sys;sys.stdout.buffer.write({'+'.join([*parts, repr(body[end:])])})"
    return f"python3 -c {shlex.quote(source)}" if len(source) < _MOST_CHARACTERS else ""
