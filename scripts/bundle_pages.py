"""Fetch anew from npm's registry what the pages bundle, and write THIRD_PARTY.md; ``--check`` only compares.

A package is taken only if its hash is the one below. Requires npm. Run: python scripts/bundle_pages.py [--check]
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "jan_ort" / "http" / "pages" / "files" / "vendor"
NOTICES = ROOT / "THIRD_PARTY.md"


@dataclass(frozen=True)
class Package:
    """A package of npm's: its SHA-512, the files that are bundled by where they lie in it, and its licence's texts."""

    name: str
    version: str
    sha512: str
    licence: str
    files: tuple[str, ...] = ()
    texts: tuple[str, ...] = field(default=("LICENSE",))
    part_of: str = ""

    @property
    def title(self) -> str:
        """Its name, version and licence."""
        inside = f", part of {self.part_of}'s file" if self.part_of else ""
        return f"{self.name} {self.version} ({self.licence}{inside})"


PACKAGES = (
    Package(
        "markdown-it",
        "15.0.3",
        "+Az7Ojz3iRGu8KYMvJ6xVhvrxP3eE+vEtJX75Ow88XBpcQNV/0lGX5ZynIIBftREo4DC2jsveAMDaeltmm8QvQ==",
        "MIT",
        ("dist/browser/markdown-it.umd.min.js",),
    ),
    Package(
        "entities",
        "8.1.0",
        "kxL7msIffSuh9aaFAMD7rxAIuTRMAHMeBtgHW2yUdWw732ZNh4MehkF2gdjvtdmikkaIP9bFDDJOPlsvm7avrA==",
        "BSD-2-Clause",
        part_of="markdown-it",
    ),
    Package(
        "linkify-it",
        "6.1.0",
        "wJ/TwpSDTLepCrQoYWYIExIKg5Zchex2Nn5yk2mFnB+6PtdkHtyLx742md9csRjjOnGkKIS/RrbY7l8D6gT9Vw==",
        "MIT",
        part_of="markdown-it",
    ),
    Package(
        "mdurl",
        "2.1.0",
        "1+HBaOx0zi/dQWht8rNv9MYf9qqpqL/kxI0hXImU6Y547zM6Sni8BQibt7ifgMcYtQg41ao3Ivd6cnSM86inpg==",
        "MIT",
        part_of="markdown-it",
    ),
    Package(
        "punycode.js",
        "2.3.1",
        "uxFIHU0YlHYhDQtV4R9J6a52SLx28BCjT+4ieh7IGbgwVJWO+km431c4yRlREUAsAmt/uMjQUyQHNEPf0M39CA==",
        "MIT",
        texts=("LICENSE-MIT.txt",),
        part_of="markdown-it",
    ),
    Package(
        "uc.micro",
        "3.0.0",
        "U3PppEkleoTnIfi8BozMx3yju3qc/L6SwqWo2Sw+54PX+PX0q9I+r1Um5HCmqD7n9VDX5/v3vQH/AjA6deDdtw==",
        "MIT",
        texts=("LICENSE.txt",),
        part_of="markdown-it",
    ),
    Package(
        "dompurify",
        "3.4.18",
        "ofe3wI/uNm68HInABYFJYqQxRw1EaKAjNdrFVKqjUY+UZurvNd2L/HuQe097s/4RivWiZyP6tT7aoT8atjfhwg==",
        "Apache-2.0 or MPL-2.0; taken under Apache-2.0",
        ("dist/purify.min.js",),
    ),
    Package(
        "swagger-ui-dist",
        "5.35.0",
        "U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8CgwrzU4YmXkn/h0wCDNsXdGarTNNHC3sU8yVUQ==",
        "Apache-2.0",
        ("swagger-ui-bundle.js", "swagger-ui.css"),
        texts=("LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"),
    ),
)

HEADING = """# Third-party scripts

The pages bundle these files unchanged (`jan_ort/http/pages/files/vendor/`). `python scripts/bundle_pages.py` fetches
them anew from npm's registry, checks their hashes, and writes this page. No fonts are bundled.

| file | package | SHA-256 |
|---|---|---|
"""


def main() -> int:
    """Fetch all, and write or compare; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file would change")
    is_check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        found = bundled({each: fetched(each, Path(folder)) for each in PACKAGES})
    there = {*VENDOR.iterdir(), NOTICES} if VENDOR.is_dir() else {NOTICES}
    changed = [path for path in {*found, *there} if not path.exists() or found.get(path) != path.read_bytes()]
    for path in sorted(changed):
        print(f"{'differs' if is_check else 'written' if path in found else 'removed'}: {path.relative_to(ROOT)}")
        if not is_check:
            write(path, found.get(path))
    return int(is_check and bool(changed))


def fetched(package: Package, folder: Path) -> Path:
    """Return the folder of an unpacked package whose hash is right."""
    npm = shutil.which("npm") or sys.exit("npm is needed, which comes with Node.js")
    target = folder / package.name
    target.mkdir()
    spec = f"{package.name}@{package.version}"
    subprocess.run([npm, "pack", "--silent", "--pack-destination", target, spec], check=True, stdout=subprocess.PIPE)
    (archive,) = target.iterdir()
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != package.sha512:
        sys.exit(f"{spec} has the SHA-512 {digest}, not {package.sha512}; nothing is written")
    with tarfile.open(archive) as members:
        members.extractall(target, filter="data")
    return target / "package"


def bundled(folders: Mapping[Package, Path]) -> dict[Path, bytes]:
    """Return what each committed file is to hold."""
    files = {
        (each, Path(name).name): (folder / name).read_bytes() for each, folder in folders.items() for name in each.files
    }
    rows = [
        f"| `{name}` | {package.title} | `{hashlib.sha256(body).hexdigest()}` |\n"
        for (package, name), body in files.items()
    ]
    texts = [f"\n## {package.title}\n{texts_of(package, folder)}" for package, folder in folders.items()]
    page = (HEADING + "".join(rows) + "".join(texts)).encode()
    return {VENDOR / name: body for (_, name), body in files.items()} | {NOTICES: page}


def texts_of(package: Package, folder: Path) -> str:
    """Return the texts of a package's licence as blocks."""
    read = [(folder / name).read_text(encoding="utf-8").strip() for name in package.texts]
    return "".join(f"\n```text\n{text}\n```\n" for text in read)


def write(path: Path, body: bytes | None) -> None:
    """Write a file, or remove it where it is to hold nothing."""
    if body is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


if __name__ == "__main__":
    sys.exit(main())
