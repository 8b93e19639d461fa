"""A folder that the user names for a model: it appears whole or not at all."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jan_ort.ground.let_go import let_go, patiently
from jan_ort.ground.model_errors import ConversionError


@contextmanager
def output_folder(target: Path) -> Iterator[Path]:
    """Yield an empty directory beside ``target`` that becomes it if the block ends well, and is removed otherwise.

    Raises: ConversionError if ``target`` exists and is not empty, or OSError if the directory cannot be written.
    """
    target = target.expanduser().absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConversionError(f"the output {target} exists already; name a folder that does not, or an empty one")
    partial = target.with_name(f".{target.name}.tmp-{secrets.token_hex(4)}")
    partial.mkdir(parents=True)
    try:
        yield partial
        let_go()
        if target.exists():
            target.rmdir()
        patiently(lambda: partial.rename(target))
    finally:
        let_go()
        shutil.rmtree(partial, ignore_errors=True)
