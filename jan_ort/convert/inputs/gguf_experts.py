"""Experts that a GGUF file has one by one, as Mixtral's were written until April 2024: each kind becomes one tensor."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from jan_ort.convert.inputs.gguf_header import StoredTensor

_ONE = re.compile(r"(blk\.\d{1,9}\.ffn_(?:gate|up|down))\.(\d{1,9})\.weight")


def experts_one_by_one(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the names of experts, by that of the tensor that all of a kind become. Raises: ValueError."""
    found: dict[str, dict[int, str]] = {}
    for name in names:
        if one := _ONE.fullmatch(name):
            found.setdefault(f"{one[1]}_exps.weight", {})[int(one[2])] = name
    for name, experts in found.items():
        if experts.keys() != set(range(len(experts))):
            raise ValueError(f"an expert of {name!r} is missing; the file is incomplete, download it again")
    return {name: [experts[number] for number in range(len(experts))] for name, experts in found.items()}


def shape_together(names: list[str], tensors: Mapping[str, StoredTensor]) -> tuple[int, ...]:
    """Return the shape of experts as one tensor. Raises: ValueError if they are of several shapes or types."""
    first, *others = (tensors[name] for name in names)
    for each in others:
        if (each.shape, each.kind) != (first.shape, first.kind):
            raise ValueError(
                f"its experts {first.name!r} and {each.name!r} are {first.kind.name} {first.shape} and "
                f"{each.kind.name} {each.shape}, which have to be the same; take a file that was made after April 2024"
            )
    return (len(names), *first.shape)
