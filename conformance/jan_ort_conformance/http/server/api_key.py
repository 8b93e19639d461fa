"""The server's API key: what is sent of it, and how it is kept out of everything that is published."""

from __future__ import annotations

import json
from urllib.parse import quote

VARIABLE = "JAN_ORT_KEY"
"""In all that is published, the key is the value of this shell variable."""

OWN = f"Bearer ${VARIABLE}"
"""The credentials of a request, as a shell would write them between double quotes."""

_LEAST_CHARACTERS = 6
"""Parts and spellings of a key that are shorter are no secret, and may be words of what is told."""


def expressions(key: str) -> dict[str, str]:
    """Return the key, and the wrong keys that are made of it, under the shell expression of each."""
    return {
        f"${{{VARIABLE}}}": key,
        f"${VARIABLE}": key,
        f"${{{VARIABLE}%?}}": key[:-1],
        f"${{{VARIABLE}^^}}": key.upper(),
        f"${{{VARIABLE},,}}": key.lower(),
    }


def filled(credentials: str, key: str) -> str:
    """Return credentials with the values of their expressions."""
    for expression, value in expressions(key).items():
        credentials = credentials.replace(expression, value)
    return credentials


def hidden(text: str, key: str | None) -> str:
    """Return the text with the expression of the key, or of what is made of it, wherever the value stands."""
    if not key:
        return text
    text = _replaced(text, key, f"${VARIABLE}")
    for expression, value in expressions(key).items():
        if len(value) >= _LEAST_CHARACTERS:
            text = _replaced(text, value, expression)
    return text


def _replaced(text: str, value: str, expression: str) -> str:
    """Replace a value as it is, and as it stands within JSON, in the ``repr`` of a text or in a URL."""
    spellings = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    for spelling in sorted({*spellings, quote(value), quote(value, safe="")}, key=len, reverse=True):
        text = text.replace(spelling, expression)
    return text
