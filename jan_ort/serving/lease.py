"""The right to use a loaded model, which stays loaded until it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from jan_ort.serving.served_model import ServedModel

Model_co = TypeVar("Model_co", bound=ServedModel, covariant=True)


class Lease(Generic[Model_co]):
    """``model``, which is not unloaded before ``release``; to release twice is no error."""

    def __init__(self, model: Model_co, on_release: Callable[[], None]) -> None:
        self.model = model
        self._on_release: Callable[[], None] | None = on_release

    def __enter__(self) -> Model_co:
        return self.model

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """End the use of the model."""
        on_release, self._on_release = self._on_release, None
        if on_release is not None:
            on_release()
