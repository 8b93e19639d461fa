"""The worked capabilities are a backend that the kit takes for sound at its strictest, from the page as it stands."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.docs.tutorial import Tutorial

PAGE = Path(__file__).parents[2] / "docs" / "plugin-capabilities.md"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the commands are written for a POSIX shell")
def test_the_backend_of_the_page_conforms(tmp_path: Path) -> None:
    output = Tutorial(PAGE, tmp_path, {}).run()

    assert "declares: fork, generate, interrupt, mixed_batch, top_logits" in output
    assert "adding conforms" in output
