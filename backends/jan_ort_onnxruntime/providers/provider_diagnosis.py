"""Which execution providers really work here: a graph of one node is run on each."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from jan_ort_backends import BackendError
from jan_ort_backends.diagnosis import ProviderTruth
from jan_ort_onnxruntime.graphs.onnx_writer import Node, write_graph
from jan_ort_onnxruntime.providers import windows_ml
from jan_ort_onnxruntime.providers.placement import count_nodes
from jan_ort_onnxruntime.providers.provider_devices import Candidate, look_around
from jan_ort_onnxruntime.providers.provider_table import BUILT_IN
from jan_ort_onnxruntime.providers.runtime_failures import running
from jan_ort_onnxruntime.providers.session_loading import load_on
from jan_ort_onnxruntime.session_settings import SessionSettings


def diagnose(runtime: Any = ort) -> list[ProviderTruth]:
    """Return the truth about every provider that this backend knows and every provider library that is installed."""
    machine = look_around(runtime)
    with tempfile.TemporaryDirectory() as folder:
        graph = _write_graph(Path(folder) / "one_node.onnx")
        truths = [replace(_try(each, graph, runtime), device=each.device_kind) for each in machine.candidates]
    found = {candidate.provider.ep_name for candidate in machine.candidates}
    truths += [
        ProviderTruth(each.name, False, False, "the installed onnxruntime has no such provider", each.install)
        for each in BUILT_IN
        if each.ep_name not in found and not machine.why_missing(each.name)  # else its library says why
    ]
    truths += [
        ProviderTruth(name, "is registered" in reason, False, reason, f"see the requirements of {name}")
        for name, reason in machine.missing.items()
    ]
    return [*truths, *_offered()]


def _offered() -> list[ProviderTruth]:
    """Return the providers that Windows would install."""
    absent = [each for each in windows_ml.find_offered()[0] if each.failure is None and not each.is_installed]
    reason = "Windows offers it, and it is not installed"
    return [ProviderTruth(each.key, False, False, reason, windows_ml.INSTALL) for each in absent]


def _try(candidate: Candidate, graph: Path, runtime: Any) -> ProviderTruth:
    provider = candidate.provider
    try:
        session = load_on(candidate, graph, SessionSettings(1), runtime=runtime)
        values = np.arange(4, dtype=np.float32).reshape(2, 2)
        with running():
            (product,) = session.run(None, {"values": values})
    except BackendError as error:
        return ProviderTruth(provider.name, True, False, str(error), provider.repair)
    nodes = count_nodes(session)
    if nodes and not nodes.get(provider.ep_name):
        return ProviderTruth(provider.name, True, False, f"its node ran on {next(iter(nodes))}", provider.repair)
    if not np.allclose(product, 2 * values):
        return ProviderTruth(provider.name, True, False, "it computes wrong numbers", provider.repair)
    return ProviderTruth(provider.name, True, True, "ran a graph of one node" if nodes else "ran; nodes are unknown")


def _write_graph(path: Path) -> Path:
    """Write a graph that doubles a matrix by multiplying it with another one, which every provider can."""
    nodes = [Node("MatMul", ("values", "matrix"), ("doubled",))]
    matrix = 2 * np.eye(2, dtype=np.float32)
    path.write_bytes(write_graph(nodes, {"values": ["n", "m"]}, {"doubled": ["n", "m"]}, {"matrix": matrix}))
    return path
