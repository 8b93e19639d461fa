"""Whether what an open session says of itself can be true; the server sizes everything by it."""

from __future__ import annotations

from collections.abc import Mapping

from jan_ort_backends.errors import BackendError
from jan_ort_backends.failure_text import plain
from jan_ort_backends.interface import Backend, Capability, DeviceReport, Session, SessionInfo

_SIZES = ("vocab_size", "context_length", "num_slots", "embedding_size")


def check_session_info(backend: Backend, session: Session) -> SessionInfo:
    """Return a copy of ``session.info``, which is read once, with texts that UTF-8 can hold.

    Sizes are whole numbers from 0, and one that generates has a slot and a token at least.

    Raises: BackendError naming the field and its value.
    """
    stated = getattr(session, "info", None)
    if not isinstance(stated, SessionInfo):
        raise BackendError(
            f"a session of backend {backend.name!r} has a {type(stated).__name__} as info; it must be a SessionInfo"
        )
    fault = _fault(stated) or _device_fault(stated.device)
    if not fault and stated.vocab_size and Capability.GENERATE in backend.capabilities:
        empty = [name for name in ("context_length", "num_slots") if getattr(stated, name) == 0]
        fault = f"{empty[0]} is 0; to generate it must be at least 1" if empty else ""
    if fault:
        raise BackendError(f"the info of a session of backend {backend.name!r} is wrong: {fault}")
    return _copied(stated)


def _fault(stated: SessionInfo) -> str:
    for name in _SIZES:
        size = getattr(stated, name)
        if type(size) is not int or size < 0:  # no bool and no numpy integer: JSON tells clients
            return f"{name} is {size!r:.80}; it must be an int from 0"
    if not isinstance(stated.weights_hash, str):
        return f"weights_hash is {stated.weights_hash!r:.80}; it must be a text"
    return ""


def _device_fault(device: object) -> str:
    if not isinstance(device, DeviceReport):
        return f"device is a {type(device).__name__}; it must be a DeviceReport"
    if not isinstance(device.nodes, Mapping) or not isinstance(device.declined, Mapping):
        return "the nodes and declined of device must be mappings"
    texts = [device.requested, device.used, *device.registered, *device.nodes, *device.declined]
    texts += device.declined.values()
    if not all(isinstance(text, str) for text in texts):
        return f"device has names that are no texts: {device!r:.200}"
    if not all(type(count) is int for count in device.nodes.values()):
        return f"the nodes of device are {dict(device.nodes)!r:.80}; each must be an int"
    return ""


def _copied(stated: SessionInfo) -> SessionInfo:
    device = stated.device
    report = DeviceReport(
        plain(device.requested),
        plain(device.used),
        nodes={plain(name): count for name, count in device.nodes.items()},
        registered=tuple(map(plain, device.registered)),
        declined={plain(name): plain(reason) for name, reason in device.declined.items()},
    )
    sizes = {name: getattr(stated, name) for name in _SIZES}
    return SessionInfo(**sizes, device=report, weights_hash=plain(stated.weights_hash))
