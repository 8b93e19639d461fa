"""Bodies that are small to send and large to serve: each request field with a value that costs as much as it can."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.http.handlers.serving import CHAT, COMPLETIONS, EMBEDDINGS, HELLO

TOKENIZE, COUNT, DETOKENIZE = "/extras/tokenize", "/extras/tokenize/count", "/extras/detokenize"

Value = Callable[[], bytes]
"""Makes the JSON of a field's value, quicker than ``json.dumps`` would."""


@dataclass(frozen=True)
class Hostile:
    """A body whose ``field`` has a hostile value, beside ``fixed``; an empty field is the body itself.

    ``statuses`` are the answers that it may get; a 400 names the field if it is ``named``. A slow one takes seconds.
    """

    name: str
    path: str
    fixed: dict[str, Any]
    field: str
    value: Value
    statuses: tuple[int, ...] = (200, 400)
    named: bool = False
    is_slow: bool = False

    def body(self) -> bytes:
        """Return the bytes to send."""
        return _object(self.fixed, self.field, self.value()) if self.field else self.value()


def _object(fixed: dict[str, Any], field: str, value: bytes) -> bytes:
    start = json.dumps(fixed).encode()[:-1]
    return start + (b", " if fixed else b"") + b'"' + field.encode() + b'": ' + value + b"}"


def _list(item: bytes, count: int) -> Value:
    return lambda: b"[" + b",".join([item] * count) + b"]"


def _lists(item: bytes, count: int, num_lists: int) -> Value:
    return lambda: _list(_list(item, count)(), num_lists)()


def _map(count: int, value: bytes = b"1", key: bytes = b"k%d") -> Value:
    return lambda: b"{" + b",".join(b'"' + key % at + b'":' + value for at in range(count)) + b"}"


def _text(length: int = 14 * 2**20, piece: bytes = b"word, ", around: bytes = b"%b") -> Value:
    return lambda: around.replace(b"%b", b'"' + piece * (length // len(piece)) + b'"')


def _nested_text(count: int) -> Value:
    return lambda: b'"{\\"a\\":[' + b"[]," * count + b'1]}"'


def _json(text: str) -> Value:
    return text.encode


def _tools(count: int, parameters: Value) -> Value:
    tool = b'{"type":"function","function":{"name":"f%d","parameters":%b}}'
    return lambda: b"[" + b",".join(tool % (at, given) for given in [parameters()] for at in range(count)) + b"]"


_REFUSED: dict[str, Any] = {"statuses": (400,), "named": True}
_NAMELESS: dict[str, Any] = {"statuses": (400,)}
_INVALID: dict[str, Any] = {"statuses": (422,)}
_SLOW: dict[str, Any] = {"is_slow": True}


def _bodies(path: str, fixed: dict[str, Any], *rows: tuple[str, str, Value, dict[str, Any]]) -> list[Hostile]:
    made = []
    for name, field, value, more in rows:
        others = {key: each for key, each in (fixed | more.get("fixed", {})).items() if key != field}
        made.append(Hostile(name, path, **more | {"fixed": others, "field": field, "value": value}))
    return made


_SHORT = b'{"role":"user","content":"hi"}'
_SAYS = b'[{"role":"user","content":%b}]'
_CALL = b'{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}'
_CALLS = b'[{"role":"assistant","tool_calls":%b}]'
_LEGACY = b'[{"role":"assistant","function_call":{"name":"f","arguments":%b}}]'
_PART = b'{"type":"text","text":"a"}'
_IMAGE = b'[{"role":"user","content":[{"type":"image_url","image_url":%b}]}]'
_PROPERTIES = b'{"type":"json_schema","json_schema":{"name":"a","schema":{"properties":%b}}}'
_SCHEMA_NAME = b'{"type":"json_schema","json_schema":{"name":%b,"schema":{}}}'
_SCHEMA = b'{"type":"json_schema","json_schema":{"name":"a","schema":{"x":%b}}}'
_MANY: dict[str, Any] = {"fixed": {"n": 128, "logprobs": 5, "max_tokens": 2}}
_AS_TEXTS: dict[str, Any] = {"fixed": {"logit_bias_type": "tokens"}}
_TOO_LONG: dict[str, Any] = {"fixed": {"max_tokens": 10**6}}


def _within(around: bytes, value: Value) -> Value:
    return lambda: around.replace(b"%b", value())


OF_COMPLETIONS = _bodies(
    COMPLETIONS,
    {"prompt": "Hello", "max_tokens": 2},
    ("logprobs: 49152", "logprobs", _json("49152"), _REFUSED | {"fixed": {"max_tokens": 512}}),
    ("2,000 prompts x 400 biases", "prompt", _list(b'"hello"', 2000), _SLOW | {
        "fixed": {"max_tokens": 1, "logit_bias_type": "tokens", "logit_bias": {f"word {at}": 1 for at in range(400)}}
    }),
    ("a bias text of 14 MB", "logit_bias", _text(around=b"{%b:1}"), _REFUSED | _AS_TEXTS),
    ("5 M token ids", "prompt", _list(b"1", 5_000_000), _REFUSED),
    ("600,000 unknown fields", "", _map(600_000), _NAMELESS),
    ("a prompt of 14 MB", "prompt", _text(), _SLOW),
    ("14 MB of escapes", "prompt", _text(piece=b"\\u0041"), _SLOW),
    ("14 MB of quotes", "prompt", _text(piece=b'\\"'), _SLOW),
    ("14 MB of two-byte characters", "prompt", _text(piece="é".encode()), _SLOW),
    ("2,048 prompts of 7,000", "prompt", _list(_text(7000)(), 2048), _SLOW | _TOO_LONG),
    ("5 M empty prompts", "prompt", _list(b'""', 5_000_000), _REFUSED),
    ("5 M empty lists", "prompt", _list(b"[]", 5_000_000), _REFUSED),
    ("2,048 lists of 2,400 ids", "prompt", _lists(b"1", 2400, 2048), _REFUSED),
    ("2,048 lists of 400 ids", "prompt", _lists(b"1", 400, 2048), {"fixed": {"max_tokens": 1}}),
    ("prompts of two kinds", "prompt", lambda: b"[" + b"1," * 400_000 + b'"a"]', _INVALID),
    ("a suffix of 14 MB", "suffix", _text(), _SLOW),
    ("1 M stop strings", "stop", _list(b'"s"', 1_000_000), _REFUSED),
    ("a stop string of 14 MB", "stop", _text(), _REFUSED),
    ("300,000 biases", "logit_bias", _map(300_000, key=b"%d"), _REFUSED),
    ("60,000 biases", "logit_bias", _map(60_000, key=b"%d"), _REFUSED),
    ("a bias that is no number", "logit_bias", _text(around=b'{%b:"x"}'), _INVALID),
    ("a user of 14 MB", "user", _text(), {}),
    ("a model of 14 MB", "model", _text(), {}),
    ("a grammar of 14 MB", "grammar", _text(), _REFUSED),
    ("a seed of 4,000 digits", "seed", lambda: b"9" * 4000, _NAMELESS),
    ("numbers of 4,000 digits", "x", _list(b"9" * 4000, 3000), _NAMELESS),
    ("numbers of 512 digits", "x", _list(b"9" * 512, 27_000), _SLOW),
    ("1 M floats", "x", _list(b"1.25", 1_000_000), {}),
    ("100,000 levels", "", lambda: b"[" * 100_000, _NAMELESS),
    ("5 M objects", "x", _list(b"{}", 5_000_000), _NAMELESS),
    ("30,000 objects", "x", _list(b'{"a":1}', 30_000), {}),
    ("64 KB of lists", "x", _list(b"[]", 21_000), {}),
    ("64 KB of fields", "", _map(6_000), {}),
    ("64 KB of floats", "x", _list(b"1e5", 16_000), {}),
    ("16 MB of quotes", "", lambda: b'"' * (2**24 - 1), _NAMELESS),
    ("n: 10^400", "n", lambda: b"9" * 400, _REFUSED),
    ("best_of: 128", "best_of", _json("128"), _SLOW | _MANY),
    ("16 prompts x 128", "prompt", _list(b'"Hello"', 16), _SLOW | _MANY),
    ("echo x 128", "echo", _json("true"), _SLOW | {"fixed": _MANY["fixed"] | {"prompt": [70] * 300}}),
    ("echo streamed", "stream", _json("true"), _SLOW | {
        "fixed": {"prompt": [[70] * 300] * 16, "echo": True, "logprobs": 5, "max_tokens": 1}
    }),
)  # fmt: skip

OF_CHATS = _bodies(
    CHAT,
    {"messages": HELLO, "max_tokens": 2},
    ("top_logprobs: 49152", "top_logprobs", _json("49152"), _REFUSED | {"fixed": {"logprobs": True}}),
    ("200,000 messages", "messages", _list(_SHORT, 200_000), _REFUSED),
    ("10,000 messages", "messages", _list(_SHORT, 10_000), _SLOW),
    ("a message of 14 MB", "messages", _text(around=_SAYS), _SLOW),
    ("300,000 parts", "messages", _within(_SAYS, _list(_PART, 300_000)), _REFUSED),
    ("20,000 parts", "messages", _within(_SAYS, _list(_PART, 20_000)), _SLOW),
    ("an image of 14 MB", "messages", _text(around=_IMAGE), _NAMELESS),
    ("a role of 14 MB", "messages", _text(around=b'[{"role":%b,"content":""}]'), _INVALID),
    ("a name of 14 MB", "messages", _text(around=b'[{"role":"user","content":"","name":%b}]'), _SLOW),
    ("100,000 calls", "messages", _within(_CALLS, _list(_CALL, 100_000)), _REFUSED),
    ("8,000 calls", "messages", _within(_CALLS, _list(_CALL, 8_000)), _SLOW),
    ("arguments of 14 MB", "messages", _text(piece=b"[[],1],", around=_LEGACY), _NAMELESS),
    ("arguments of 2 M lists", "messages", _within(_LEGACY, _nested_text(2_000_000)), _SLOW),
    ("10,000 tools", "tools", _tools(10_000, _json("{}")), _REFUSED),
    ("128 tools of 100 KB", "tools", _tools(128, _text(100_000, around=b'{"description":%b}')), _SLOW),
    ("100 tools of 200 properties", "tools", _tools(100, _within(b'{"properties":%b}', _map(200, b"{}"))), _SLOW | {
        "fixed": {"tool_choice": "required"}
    }),
    ("1 M required names", "tools", _tools(1, _within(b'{"required":%b}', _list(b'"a"', 1_000_000))), _SLOW),
    ("a tool's name of 14 MB", "tools", _text(around=b'[{"type":"function","function":{"name":%b}}]'), _NAMELESS),
    ("a choice of 14 MB", "tool_choice", _text(around=b'{"type":"function","function":{"name":%b}}'), _NAMELESS),
    ("functions of 14 MB", "functions", _text(around=b'[{"name":"f","parameters":{"x":%b}}]'), _SLOW),
    ("a schema of 14 MB", "response_format", _text(around=_SCHEMA), _NAMELESS),
    ("30,000 properties", "response_format", _within(_PROPERTIES, _map(30_000)), _NAMELESS),
    ("a schema's name of 14 MB", "response_format", _text(around=_SCHEMA_NAME), _NAMELESS),
    ("128 with logprobs", "top_logprobs", _json("5"), _SLOW | {"fixed": {"logprobs": True, "n": 128}}),
    ("128 with tools", "tools", _tools(1, _json("{}")), _SLOW | {"fixed": {"n": 128, "max_tokens": 64}}),
)  # fmt: skip

OF_THE_REST = [
    *_bodies(
        EMBEDDINGS,
        {"input": "a"},
        ("2,048 inputs", "input", _list(b'"hello"', 2048), {}),
        ("2,048 inputs, base64", "input", _list(b'"hello"', 2048), {"fixed": {"encoding_format": "base64"}}),
        ("an input of 14 MB", "input", _text(), _REFUSED | _SLOW),
        ("5 M ids", "input", _list(b"1", 5_000_000), _REFUSED),
        ("2,048 inputs of 7,000", "input", _list(_text(7000)(), 2048), _REFUSED | _SLOW),
        ("5 M inputs", "input", _list(b'""', 5_000_000), _REFUSED),
        ("a model of 14 MB", "model", _text(), {}),
    ),
    *_bodies(
        TOKENIZE, {}, ("14 MB", "input", _text(), _SLOW), ("14 MB of quotes", "input", _text(piece=b'\\"'), _SLOW)
    ),
    *_bodies(
        COUNT,
        {},
        ("14 MB", "input", _text(), _SLOW),
        ("200,000 messages", "messages", _list(_SHORT, 200_000), _REFUSED),
        ("10,000 messages", "messages", _list(_SHORT, 10_000), _SLOW),
    ),
    *_bodies(
        DETOKENIZE,
        {},
        ("5 M ids", "tokens", _list(b"70", 5_000_000), _REFUSED),
        ("1 M ids", "tokens", _list(b"70", 1_000_000), {}),
    ),
    *_bodies("/models/load", {}, ("a name of 14 MB", "model", _text(), {"statuses": (404,)})),
    *_bodies("/models/unload", {}, ("a name of 14 MB", "model", _text(), {"statuses": (404,)})),
]

EVERY_BODY = [*OF_COMPLETIONS, *OF_CHATS, *OF_THE_REST]
QUICK = [each for each in EVERY_BODY if not each.is_slow]
"""Those that are answered within a few seconds of CPU time."""
