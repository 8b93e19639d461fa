"""Errors of the chat that a body is read as, told in the names of the body's own protocol."""

from __future__ import annotations

import pytest

from jan_ort.chat.template import ChatTemplateError
from jan_ort.http.api_error import ApiError, bad_request
from jan_ort.http.reading.own_names import OwnNames

NAMES = OwnNames(
    {
        "max_tokens": "limit",
        "response_format": "text.format",
        "messages": "input",
        r"tools\.(\d+)\.function": r"tools.\1",
        r"messages\.(\d+)\.content\.\d+\.audio": r"messages.\1.sounds",
    },
    ["system", "input.4"],
)


@pytest.mark.parametrize(
    ("param", "own"),
    [
        ("max_tokens", "limit"),
        ("messages", "input"),
        ("messages.1.content.0.image_url", "input.4.content.0.image_url"),
        ("messages.1.content.2.audio", "input.4.sounds"),
        ("messages.7", "messages.7"),
        ("response_format.schema", "text.format.schema"),
        ("tools.2.function.name", "tools.2.name"),
        ("top_k", "top_k"),
        ("min_max_tokens", "min_max_tokens"),
        (None, None),
    ],
)
def test_a_parameter_has_the_protocols_name(param: str | None, own: str | None) -> None:
    with pytest.raises(ApiError) as failed, NAMES.telling():
        raise ApiError(400, "wrong", param=param)

    assert failed.value.param == own


def test_a_message_has_the_protocols_names() -> None:
    with pytest.raises(ApiError) as failed, NAMES.telling():
        raise bad_request("messages", "messages.0 is too long; lower max_tokens", code="context_length_exceeded")

    assert failed.value.message == "system is too long; lower limit"
    assert failed.value.code == "context_length_exceeded"


@pytest.mark.parametrize(
    ("said", "own"),
    [
        ("'messages' is no function; lower max_tokens", "'messages' is no function; lower limit"),
        ('"it\'s max_tokens" and max_tokens', '"it\'s max_tokens" and limit'),
        (r"'a \' max_tokens' of messages", r"'a \' max_tokens' of input"),
        ("this model's messages, and the server's max_tokens", "this model's input, and the server's limit"),
    ],
)
def test_what_a_client_wrote_stays(said: str, own: str) -> None:
    assert NAMES.told(said) == own


def test_an_error_of_the_template_names_the_conversation() -> None:
    with pytest.raises(ApiError) as failed, NAMES.telling():
        raise ChatTemplateError("roles must alternate")

    assert (failed.value.status, failed.value.param, failed.value.code) == (400, "input", "chat_template_error")
