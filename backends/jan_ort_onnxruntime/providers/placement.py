"""Where the nodes of a loaded graph run: the cure for a silent fallback to the CPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

RECORD_ENTRY = "session.record_ep_graph_assignment_info"
"""The session's entry that has ONNX Runtime remember which provider took which node; it costs no time at loading."""


def count_nodes(session: Any) -> dict[str, int]:
    """Return the number of nodes by provider, most first; empty where this ONNX Runtime does not tell."""
    ask = getattr(session, "get_provider_graph_assignment_info", None)
    if ask is None:
        return {}
    nodes: Counter[str] = Counter()
    for subgraph in ask():
        nodes[subgraph.ep_name] += len(subgraph.get_nodes())
    return dict(nodes.most_common())


def fallen_back(nodes: Mapping[str, int], ep_name: str) -> dict[str, int]:
    """Return the nodes that run elsewhere than on ``ep_name``, by provider."""
    return {provider: count for provider, count in nodes.items() if provider != ep_name}
