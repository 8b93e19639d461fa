"""Where the nodes of a loaded graph run: the cure for a silent fallback to the CPU."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jan_ort_backends import ModelError
from jan_ort_onnxruntime.providers.provider_table import CPU_PROVIDER, Provider
from jan_ort_onnxruntime.session_settings import AUTO, SessionSettings

logger = logging.getLogger(__name__)

RECORD_ENTRY = "session.record_ep_graph_assignment_info"
"""The session's entry that has ONNX Runtime remember which provider took which node; it costs no time at loading."""

MIN_SHARE = 0.5
"""The part of a graph's nodes that a provider must take to be chosen by itself: tensors cross every border."""


def count_nodes(session: Any) -> dict[str, int]:
    """Return the number of nodes by provider, most first; empty where this ONNX Runtime does not tell."""
    ask = getattr(session, "get_provider_graph_assignment_info", None)
    if ask is None:
        return {}
    nodes: Counter[str] = Counter()
    for subgraph in ask():
        nodes[subgraph.ep_name] += len(subgraph.get_nodes())
    return dict(nodes.most_common())


def check_placement(provider: Provider, nodes: Mapping[str, int], model_path: Path, settings: SessionSettings) -> None:
    """Judge where the nodes run: some on the provider, all if strict, most if it chose itself. Raises: ModelError."""
    total = sum(nodes.values())
    elsewhere = total - nodes.get(provider.ep_name, 0)
    if settings.strict and not total and provider.ep_name != CPU_PROVIDER:
        raise ModelError("option strict needs an onnxruntime that tells where nodes run; pip install --upgrade it")
    if settings.strict and elsewhere:
        raise ModelError(
            f"{model_path}: {elsewhere} of {total} nodes do not run on {provider.ep_name} ({told(nodes)}) and strict "
            "is on; convert the model for this provider, choose another, or leave out strict"
        )
    if total and elsewhere == total:
        raise ModelError(
            f"{provider.ep_name} takes none of the {total} nodes of {model_path} ({told(nodes)}); choose another "
            f"provider{', or ' + provider.convert if provider.convert else ''}"
        )
    if settings.provider == AUTO and elsewhere > total * (1 - MIN_SHARE):
        raise ModelError(f"only {total - elsewhere} of {total} nodes of {model_path} can run on {provider.ep_name}")
    if elsewhere:
        logger.warning("%s: %d of %d nodes fell back: %s", model_path, elsewhere, total, told(nodes))


def told(nodes: Mapping[str, int]) -> str:
    """Say in words where the nodes run."""
    return (
        ", ".join(f"{count} nodes on {name}" for name, count in nodes.items()) or "the places of its nodes are unknown"
    )
