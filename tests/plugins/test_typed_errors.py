"""What a plugin raises of the interface's own errors passes as it is, and has a value in every field."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jan_ort.plugins.guarded_session import open_session
from jan_ort_backends import (
    BackendError,
    BadInput,
    Capability,
    ContextOverflow,
    DeviceLost,
    Interrupted,
    ModelError,
    OpenOptions,
    OutOfMemory,
    SlotTokens,
    Unsupported,
)
from jan_ort_backends.reference import ReferenceBackend, ReferenceSession
from tests.backends.plugins import Plugins, backend_source
from tests.http.handlers.serving import COMPLETIONS, EMBEDDINGS, post, serving

SOUND = [
    BackendError("it failed"),
    Unsupported(Capability.FORK),
    BadInput("slot", "is 9"),
    ContextOverflow(slot=1, length=2, num_tokens=3, context_length=4),
    ModelError("no file"),
    OutOfMemory("full"),
    DeviceLost("gone", recoverable=False),
    Interrupted("asked to"),
]

BARE = """
from jan_ort_backends import *

class Bare(DeviceLost):
    def __init__(self, message):
        Exception.__init__(self, message)

class Nameless(BadInput):
    def __init__(self, message):
        Exception.__init__(self, message)
"""
"""A plugin's own kinds of the interface's errors, whose constructors leave their fields out."""


class Raising(ReferenceBackend):
    """Raises ``error`` when it is opened, or when it steps."""

    def __init__(self, error: BackendError, where: str) -> None:
        self.error, self.where = error, where

    def open(self, model_dir: Path, options: OpenOptions) -> ReferenceSession:
        if self.where == "open":
            raise self.error
        return RaisingSession(self.error)


class RaisingSession(ReferenceSession):
    def __init__(self, error: BackendError) -> None:
        super().__init__(1, 8)
        self.error = error

    def step(self, batch: object) -> object:  # type: ignore[override]
        raise self.error


@pytest.mark.parametrize("where", ["open", "step"])
@pytest.mark.parametrize("error", SOUND, ids=lambda error: type(error).__name__)
def test_an_error_of_the_interface_passes_as_it_is(error: BackendError, where: str) -> None:
    with pytest.raises(BackendError) as caught:
        open_session(Raising(error, where), Path(), OpenOptions(1)).step([SlotTokens(0, np.array([33]))])

    assert caught.value is error


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Unsupported, {"capability": "(not told)"}),
        (BadInput, {"param": "input"}),
        (ContextOverflow, {"slot": 0, "length": 0, "num_tokens": 0, "context_length": 0}),
        (DeviceLost, {"recoverable": True}),
    ],
)
def test_a_field_that_a_constructor_leaves_out_has_a_value(kind: type[BackendError], fields: dict[str, object]) -> None:
    bare = type("Bare", (kind,), {"__init__": lambda self, message: Exception.__init__(self, message)})("gone")

    assert str(bare) == "gone"
    assert {name: getattr(bare, name) for name in fields} == fields


async def test_the_server_opens_a_model_again_whose_bare_error_says_the_device_is_lost(plugins: Plugins) -> None:
    fault = "def fault(self, output):\n    raise Bare('gone')"
    plugins.install("faulty", BARE + backend_source("faulty", session=fault))

    async with serving(backend="faulty") as app:
        client = app.test_client()
        failed = await post(client, COMPLETIONS, {"prompt": "!", "max_tokens": 2})
        status_after = 503
        while status_after == 503:  # until the model is open again
            status_after, _ = await post(client, COMPLETIONS, {"prompt": "Hello", "max_tokens": 2})

    assert (failed[0], status_after) == (503, 200)
    assert "gone" in failed[1]["error"]["message"]


async def test_the_server_answers_a_bare_error_of_embed(plugins: Plugins) -> None:
    plugins.install("faulty", BARE + backend_source("faulty", session="def embed(self, b):\n    raise Nameless('odd')"))

    async with serving(backend="faulty") as app:
        status, answer = await post(app.test_client(), EMBEDDINGS, {"input": "Hello"})

    assert (status, answer["error"]["message"], answer["error"]["param"]) == (400, "odd", "input")
