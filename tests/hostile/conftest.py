"""The process that the tests of hostile files share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hostile.bounded_child import BoundedChild


@pytest.fixture(scope="module")
def child() -> Iterator[BoundedChild]:
    """A process to read hostile files in."""
    with BoundedChild() as child:
        yield child
