"""What a plugin raises of the interface's own errors can be looked at, whatever the plugin made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

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
from jan_ort_backends.isolation import open_session
from jan_ort_backends.sound_errors import sound_error
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

ODD = """
from jan_ort_backends import *

class Unreadable(BackendError):
    def __str__(self):
        raise OSError

class Bare(DeviceLost):
    def __init__(self, message):
        Exception.__init__(self, message)

class Nameless(BadInput):
    def __init__(self, message):
        Exception.__init__(self, message)

class Failing(BadInput):
    def __init__(self):
        super().__init__("x", "y")
    @property
    def param(self):
        raise OSError
    @param.setter
    def param(self, value):
        pass

class Halved(BadInput):
    def __init__(self):
        super().__init__(chr(0xdcff), "y")

class Other(DeviceLost):
    def __init__(self):
        super().__init__("gone", recoverable="perhaps")
"""
"""A plugin's own kinds of the interface's errors."""

CASES = [
    ("Unreadable()", BackendError, "(its message cannot be read: OSError)", {}),
    ("Bare('gone')", DeviceLost, "gone", {"recoverable": True}),
    ("Nameless('is odd')", BadInput, "is odd", {"param": "input"}),
    ("Failing()", BadInput, "x: y", {"param": "input"}),
    ("Halved()", BadInput, "\\udcff: y", {"param": "\\udcff"}),
    ("Other()", DeviceLost, "gone", {"recoverable": True}),
    ("BackendError('two\\nlines')", BackendError, "two lines", {}),
    ("ModelError('no \\udcff')", ModelError, "no \\udcff", {}),
]


@pytest.mark.parametrize("error", SOUND, ids=lambda error: type(error).__name__)
def test_a_sound_error_is_copied_as_it_is(error: BackendError) -> None:
    sound = sound_error(error)

    assert type(sound) is type(error)
    assert str(sound) == str(error)
    assert vars(sound) == vars(error)


@pytest.mark.parametrize("where", ["step", "open"])
@pytest.mark.parametrize(("error", "kind", "message", "fields"), CASES, ids=[case[0] for case in CASES])
def test_an_odd_error_becomes_one_of_the_nearest_type(
    plugins: Plugins, where: str, error: str, kind: type, message: str, fields: dict[str, object]
) -> None:
    raising = f"def fault(self, output):\n    raise {error}"
    opening = raising.replace("fault(self, output)", "open(self, model_dir, options)")
    source = backend_source("faulty", session=raising, backend=opening if where == "open" else "")
    plugins.install("faulty", ODD + source)

    with pytest.raises(BackendError) as caught:
        open_session(plugins.load("faulty"), Path(), OpenOptions(1)).step([SlotTokens(0, np.array([33]))])

    assert (type(caught.value), str(caught.value), vars(caught.value)) == (kind, message, fields)


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        ("Unreadable()", 500, "the backend failed: (its message cannot be read: OSError)"),
        ("Bare('gone')", 503, "gone"),
        ("BackendError(3_000_000 * 'x')", 500, "xxx [...] xxx"),
    ],
)
async def test_the_server_answers_an_odd_error_of_a_step_and_serves_on(
    plugins: Plugins, error: str, status: int, message: str
) -> None:
    plugins.install("faulty", ODD + backend_source("faulty", session=f"def fault(self, output):\n    raise {error}"))

    async with serving(backend="faulty") as app:
        client = app.test_client()
        failed = await post(client, COMPLETIONS, {"prompt": "!", "max_tokens": 2})
        status_after = 503
        while status_after == 503:  # until the model is open again
            status_after, _ = await post(client, COMPLETIONS, {"prompt": "Hello", "max_tokens": 2})

    assert (failed[0], status_after) == (status, 200)
    assert message in failed[1]["error"]["message"]
    assert len(failed[1]["error"]["message"]) < 1200


async def test_the_server_answers_an_odd_error_of_embed(plugins: Plugins) -> None:
    plugins.install("faulty", ODD + backend_source("faulty", session="def embed(self, b):\n    raise Nameless('odd')"))

    async with serving(backend="faulty") as app:
        status, answer = await post(app.test_client(), EMBEDDINGS, {"input": "Hello"})

    assert (status, answer["error"]["message"], answer["error"]["param"]) == (400, "odd", "input")
