"""How the server opens a session in its own process: guarded, and once what it says of itself is possible (hop 6)."""

from __future__ import annotations

from pathlib import Path

from jan_ort.plugins.asking import PluginFault, checked
from jan_ort.plugins.session_guard import GuardedSession, open_guarded
from jan_ort_backends import Backend, Capability, OpenOptions, SessionInfo

__all__ = ["GuardedSession", "check_info", "open_session"]


def open_session(backend: Backend, model_dir: Path, options: OpenOptions) -> GuardedSession:
    """Open a session as ``open_guarded`` does, and refuse impossible sizes. Raises: BackendError and its kinds."""
    return open_guarded(backend, model_dir, options, check_info)


def check_info(backend: Backend, told: SessionInfo) -> None:
    """Check what a session says of itself; the server sizes everything by it. Raises: PluginFault."""
    what = f"the info of a session of backend {backend.name!r}"
    info = checked(what, told, SessionInfo)
    generates = Capability.GENERATE in backend.capabilities and info.vocab_size > 0
    for name in ("vocab_size", "embedding_size", "context_length", "num_slots"):
        least = int(generates and name in ("context_length", "num_slots"))
        if getattr(info, name) < least:
            raise PluginFault(f"{what} is wrong: {name} is {getattr(info, name)}; it must be an int from {least}")
    if info.images is not None and (not generates or min(info.images.token_id, info.images.vector_size - 1) < 0):
        raise PluginFault(f"{what} is wrong: images is {info.images}; a model that generates has it, with sizes from 1")
    if info.num_checkpoints is not None and info.num_checkpoints < 0:
        raise PluginFault(f"{what} is wrong: num_checkpoints is {info.num_checkpoints}; it must be None or from 0")
