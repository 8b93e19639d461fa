"""Images in Ollama's messages: the user's are read, all others refused by name."""

from __future__ import annotations

import pytest

from jan_ort.http.api_error import ApiError
from jan_ort.http.ollama.turns import Turns
from jan_ort_openapi.models import OllamaMessage


@pytest.mark.parametrize("role", ["system", "assistant", "tool"])
def test_images_that_are_not_the_users_are_refused_by_name(role: str) -> None:
    said = OllamaMessage(role="user", content="Hello")
    shown = OllamaMessage.model_validate({"role": role, "content": "Here", "images": ["iVBORw0KGgo="]})

    with pytest.raises(ApiError, match="only messages of the user have images") as refused:
        Turns().add_all([said, shown])

    assert refused.value.param == "messages.1.images"


def test_an_empty_list_of_images_is_none() -> None:
    turns = Turns()

    turns.add_all([OllamaMessage.model_validate({"role": "tool", "content": "Here", "images": []})])

    assert turns.messages[0]["content"] == "Here"
