"""A hook of mkdocs: pages of the site that do not lie in docs/ or are generated, and links to what is no page."""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import dirname, join, normpath, relpath
from typing import Any

import reference  # beside this file, whose folder mkdocs looks in
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
ELSEWHERE = {
    "README.md": "start.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "backends/README.md": "backends.md",
    "backends/template/README.md": "template.md",
    "benchmarks/README.md": "benchmarks.md",
    "conformance/README.md": "conformance-package.md",
}
"""Where the site has each document that lies outside docs/."""

SOURCES = {page: source for source, page in ELSEWHERE.items()}
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(\s*(?!\w+:|#)([^)#\s]+)(#[^)]*)?\)|!\[([^\]]*)\]\(([^)\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the documents from elsewhere and the generated pages."""
    pages = {page: (ROOT / source).read_text("utf-8") for source, page in ELSEWHERE.items()}
    pages |= {f"reference/{name}.md": reference.page(name) for name in reference.PAGES}
    for page, content in pages.items():
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, files: Files, **_: Any) -> str:
    """Lead links to where the site has a file; what it does not have is named without a link."""
    here = page.file.src_uri
    source = SOURCES.get(here, f"docs/{here}")

    def led(link: re.Match[str]) -> str:
        text, target, anchor, picture, picture_target = link.groups(default="")
        path = normpath(join(dirname(source), target or picture_target))
        place = ELSEWHERE.get(path, path.removeprefix("docs/"))
        if files.get_file_from_path(place) is None:
            return text or picture if (ROOT / path).exists() else link[0]  # mkdocs names what leads nowhere
        to = relpath(place, dirname(here) or ".")
        return f"![{picture}]({to})" if picture_target else f"[{text}]({to}{anchor})"

    return LINK.sub(led, markdown)
