"""JSON text to Python values, refusing what JSON, or this server, cannot represent (hop 2)."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from jan_ort_openapi.body_errors import MalformedBody

MAX_DEPTH = 200
"""Deepest nesting of arrays and objects: far above any real request, far below what exhausts a stack downstream."""

TOO_DEEP = f"the body nests arrays and objects deeper than {MAX_DEPTH} levels"

MAX_DIGITS = 512
"""Longest number, in characters; each float64 that is written out as an integer has fewer.

Reading an integer takes Python the square of its digits, and it holds the interpreter's lock meanwhile.
"""

_STRIDE = MAX_DIGITS // 2
_TWO_DIGITS = re.compile(rb"\d(?=\d)")
_MAYBE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def decode_json(body: bytes) -> Any:
    """Return the value of the JSON text ``body``; integral floats become int, of duplicate keys the last one wins.

    JSON Schema counts 5.0 and 1e2 among the integers (2020-12 core, section 4.2.3), pydantic's strict mode does not;
    hence the conversion. It is exact; only the literal itself was rounded to float64, as any JSON reader does.

    Raises: MalformedBody for invalid UTF-8 or JSON (NaN and Infinity included), lone surrogates, nesting deeper than
    MAX_DEPTH, a number beyond float64 (1e999: no JSON type is at fault, so it is no schema violation), or one that is
    longer than MAX_DIGITS.
    """
    try:
        text = body.decode("utf-8-sig")  # a byte order mark is no part of the text: RFC 8259, section 8.1
    except UnicodeDecodeError as error:
        raise MalformedBody(f"the body is not UTF-8: {error.reason} at byte {error.start}") from error
    try:
        read_int = parse_int if _may_hold_long_integer(body) else None
        value = json.loads(text, parse_float=_parse_float, parse_int=read_int, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise MalformedBody(f"the body is not JSON: {error.msg} at line {error.lineno} column {error.colno}") from error
    except RecursionError as error:
        raise MalformedBody(TOO_DEEP) from error
    _check_depth(body, value)
    _check_surrogates(body, value)
    return value


def _may_hold_long_integer(body: bytes) -> bool:
    """Say whether there are more than MAX_DIGITS digits in a row, be it in a text: a look at every 256th byte.

    Otherwise each integer can be read in C, without the call of ``parse_int`` that takes three times as long.
    """
    if len(body) <= MAX_DIGITS:
        return False
    found = _TWO_DIGITS.finditer(body[::_STRIDE])
    return any(body[at : at + _STRIDE].isdigit() for at in (each.start() * _STRIDE for each in found))


def parse_int(literal: str) -> int:
    """Return an integer. Raises: MalformedBody for one that is longer than MAX_DIGITS."""
    _check_length(literal)
    return int(literal)


def _check_length(literal: str) -> None:
    if len(literal) > MAX_DIGITS:
        raise MalformedBody(
            f"the body holds a number with too many digits: it has {len(literal)} characters; at most {MAX_DIGITS} are "
            "allowed"
        )


def _parse_float(literal: str) -> float | int:
    _check_length(literal)
    number = float(literal)
    if not math.isfinite(number):
        raise MalformedBody(f"the body holds a number beyond the range of float64: {literal[:32]}")
    return int(number) if number.is_integer() else number


def _refuse_constant(literal: str) -> NoReturn:
    raise MalformedBody(f"the body holds {literal}, which is not JSON")


def _check_depth(body: bytes, value: Any) -> None:
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise MalformedBody(TOO_DEEP)


def _check_surrogates(body: bytes, value: Any) -> None:
    # JSON may escape half a pair, UTF-8 cannot encode it: no tokenizer could read it and no response repeat it.
    if _MAYBE_SURROGATE.search(body) is None:
        return
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise MalformedBody("the body holds a lone surrogate (\\ud800 to \\udfff); send whole characters") from error
