"""What the fields of sampling do, asked alike in protocols that have them under the same names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jan_ort_conformance.http.check_tools.asker import expect_effect
from jan_ort_conformance.verdicts.verdict import expect

FREE: dict[str, Any] = {"temperature": 1.5, "top_k": 0, "top_p": 1, "min_p": 0, "repeat_penalty": 1, "seed": 7}
"""Every filter open, so that chance decides."""


def expect_sampling(said: Callable[..., str]) -> None:
    """Expect that a seed repeats a text, and that each filter at its end gives the likeliest one."""
    free = said(**FREE)
    expect(said(**FREE) == free, "the same seed gives another text")
    expect_effect(said(**FREE | {"seed": 8}) != free, "another seed gives the same text")
    likeliest = said(**FREE | {"temperature": 0})
    for name, value in (("top_k", 1), ("top_p", 0), ("min_p", 1)):
        expect_effect(said(**FREE | {name: value}) == likeliest, f"{name} {value} is not the likeliest text")
