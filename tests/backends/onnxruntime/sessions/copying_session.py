"""A session on a device with memory of its own, played by the CPU: an input is copied when it is bound, not later."""

from __future__ import annotations

import ctypes
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray


class CopyingBinding:
    """An IOBinding whose host inputs are snapshots; names of ``resident`` tensors are the device's own.

    ``num_bound`` counts how often each input was bound.
    """

    def __init__(self, binding: Any, resident: str) -> None:
        self.binding = binding
        self._resident = resident
        self._copies: dict[str, NDArray[Any]] = {}
        self.num_bound: Counter[str] = Counter()

    def bind_input(self, name: str, device: str, device_id: int, dtype: Any, shape: Any, address: int) -> None:
        self.num_bound[name] += 1
        if self._resident and name.startswith(self._resident):
            self.binding.bind_input(name, device, device_id, dtype, shape, address)
            return
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        content = np.frombuffer(ctypes.string_at(address, size), dtype).reshape(shape).copy()
        self._copies[name] = content
        self.binding.bind_input(name, device, device_id, dtype, shape, content.ctypes.data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.binding, name)


class CopyingSession:
    """A loaded graph on the provider ``ep_name``; the KV cache is ``resident`` on its device, or travels."""

    def __init__(self, session: Any, ep_name: str, *, resident: bool) -> None:
        self._session = session
        self._ep_name = ep_name
        self._resident = "past_key_values." if resident else ""
        self.bindings: list[CopyingBinding] = []
        self.num_runs = 0

    def get_providers(self) -> list[str]:
        return [self._ep_name, "CPUExecutionProvider"]

    def io_binding(self) -> CopyingBinding:
        self.bindings.append(CopyingBinding(self._session.io_binding(), self._resident))
        return self.bindings[-1]

    def num_bound(self, name: str) -> list[int]:
        """Return how often each binding was given the input."""
        return [binding.num_bound[name] for binding in self.bindings]

    def run_with_iobinding(self, binding: CopyingBinding, run_options: Any = None) -> None:
        self.num_runs += 1
        self._session.run_with_iobinding(binding.binding, run_options)
