"""Limits of numbers that the matcher can follow digit by digit, and that hold for the double that is read (hop 3).

Where a multiple of a step may end depends on all of its digits. The matcher keeps a state for each remainder at each
digit, so it has to know in advance how many digits there are; a step that takes too many states is a list of multiples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction
from typing import Any

from jan_ort.structured.json_schema.negation import TYPES

MAX_STATES = 60_000
"""Remainders times digits: beyond some 100,000 the matcher fails in the middle of a number."""
MAX_DIGITS, MAX_INTEGER_DIGITS = 15, 18
"""Digits of a multiple: so many that each is a double of its own, or an integer of 64 bits."""
MARGIN_DIGITS = 13
"""Digits of the number beside an exclusive limit: one with all 17 may be read as the limit itself."""
NEXT_TO_ZERO = 1e-9
MAX_DECIMALS = 9
"""Digits of a multiple behind the point."""
MAX_LISTED = 1000
"""Multiples that are listed, those nearest to zero, where the matcher cannot follow them, or need not."""
_FEWEST_DIGITS = 3
_SIDES = (("minimum", "exclusiveMinimum", math.inf), ("maximum", "exclusiveMaximum", -math.inf))
"""Limits, and in which direction from them the numbers are."""
_LIMITS = tuple(name for *names, _ in _SIDES for name in names)
_FAR = 10**400
"""More multiples than there are up to any double."""


def limit_numbers(schema: dict[str, Any]) -> None:
    """Say of a schema's numbers what the matcher can follow: what satisfies that satisfies the schema."""
    types = schema.get("type", "number")
    is_integer = "integer" in types and "number" not in types
    for inclusive, exclusive, towards in _SIDES:
        _write_as_newest(schema, inclusive, exclusive)
        _keep_the_narrower(schema, inclusive, exclusive, towards)
    if "multipleOf" in schema:
        _limit_multiples(schema, is_integer=is_integer)
    elif not is_integer:
        for inclusive, exclusive, towards in _SIDES:
            _include(schema, inclusive, exclusive, towards)
        if schema.get("minimum", -math.inf) > schema.get("maximum", math.inf):
            _list(schema, [])


def _write_as_newest(schema: dict[str, Any], inclusive: str, exclusive: str) -> None:
    """Write a limit that is exclusive by a boolean, as in the fourth draft, as the limit itself."""
    if isinstance(schema.get(exclusive), bool):
        is_exclusive = schema.pop(exclusive)
        if is_exclusive and inclusive in schema:
            schema[exclusive] = schema.pop(inclusive)


def _keep_the_narrower(schema: dict[str, Any], inclusive: str, exclusive: str, towards: float) -> None:
    """Leave out one of two limits on the same side: of two equal ones the matcher does not see the exclusive one."""
    if inclusive in schema and exclusive in schema:
        is_wider = schema[inclusive] <= schema[exclusive] if towards > 0 else schema[inclusive] >= schema[exclusive]
        del schema[inclusive if is_wider else exclusive]


def _include(schema: dict[str, Any], inclusive: str, exclusive: str, towards: float) -> None:
    """Put an inclusive limit of few digits in place of what the matcher reads otherwise, or what a double rounds to."""
    if 1e-9 < abs(schema.get(exclusive, 0)) < 1e15:
        schema[inclusive] = _inside(schema.pop(exclusive), towards, MARGIN_DIGITS, is_exclusive=True)
    elif schema.get(exclusive) == 0:
        schema[inclusive] = math.copysign(NEXT_TO_ZERO, towards)  # the matcher may allow 0
        del schema[exclusive]
    elif isinstance(schema.get(inclusive), float) and abs(schema[inclusive]) < 1e15:
        schema[inclusive] = _inside(schema[inclusive], towards, MAX_DIGITS, is_exclusive=False)


def _inside(limit: float, towards: float, num_digits: int, *, is_exclusive: bool) -> float:
    """Return the first number of so many digits on the side of a limit where the numbers are."""
    exact = Decimal(str(limit))
    if not exact:
        return limit
    place = Decimal(1).scaleb(exact.adjusted() - num_digits + 1)
    rounded = (exact / place).to_integral_value(ROUND_CEILING if towards > 0 else ROUND_FLOOR) * place
    if is_exclusive and rounded == exact:
        rounded += place if towards > 0 else -place
    return _number(Fraction(rounded))


def _limit_multiples(schema: dict[str, Any], *, is_integer: bool) -> None:
    step = Fraction(str(schema["multipleOf"]))
    step = Fraction(step.numerator) if is_integer else step
    # A multiple of a multiple is one, and leaves more digits before the point.
    step *= 10 ** max(0, _num_decimals(step) - MAX_DECIMALS)
    num_decimals = _num_decimals(step)
    remainders = int(step * 10**num_decimals)
    num_digits = min(MAX_INTEGER_DIGITS if is_integer else MAX_DIGITS, MAX_STATES // remainders)
    largest = (10**num_digits - 1) // remainders
    first, last = _within(schema, step)
    is_near = first <= largest and last >= -largest
    if last - first < MAX_LISTED or not is_near or num_digits < len(str(remainders)) + _FEWEST_DIGITS:
        begin = max(first, min(-MAX_LISTED // 2, last - MAX_LISTED + 1))
        _list(schema, [each * step for each in range(begin, min(last, begin + MAX_LISTED - 1) + 1)])
        return
    _drop(schema)
    schema["multipleOf"] = _number(step)
    schema["minimum"], schema["maximum"] = _number(max(first, -largest) * step), _number(min(last, largest) * step)


def _within(schema: Mapping[str, Any], step: Fraction) -> tuple[int, int]:
    """Return which multiple is the first one within the schema's own limits, and which the last."""
    of = {name: Fraction(str(schema[name])) / step for name in _LIMITS if name in schema}
    first = math.ceil(of["minimum"]) if "minimum" in of else -_FAR
    last = math.floor(of["maximum"]) if "maximum" in of else _FAR
    first = math.floor(of["exclusiveMinimum"]) + 1 if "exclusiveMinimum" in of else first
    last = math.ceil(of["exclusiveMaximum"]) - 1 if "exclusiveMaximum" in of else last
    return first, last


def _list(schema: dict[str, Any], numbers: Sequence[Fraction]) -> None:
    """Put a list in place of what is said of numbers."""
    _drop(schema)
    listed = [_number(each) for each in numbers if _is_double(each)]
    options = [{"enum": listed}, {"type": [each for each in TYPES if each != "number"]}]
    schema["allOf"] = [*schema.get("allOf", []), {"anyOf": options if listed else options[1:]}]


def _drop(schema: dict[str, Any]) -> None:
    for name in ("multipleOf", *_LIMITS):
        schema.pop(name, None)


def _num_decimals(number: Fraction) -> int:
    """Return how many digits a number that has an end has behind its point."""
    exponent = (Decimal(number.numerator) / Decimal(number.denominator)).normalize().as_tuple().exponent
    return max(0, -int(exponent))


def _number(value: Fraction) -> float:
    """Return a number as JSON writes it, an integer if it is one."""
    return value.numerator if value.denominator == 1 else float(value)


def _is_double(value: Fraction) -> bool:
    """Whether the matcher, which reads doubles, reads the number as it is, or the nearest to it."""
    return abs(value) < 2**1023 and (value.denominator > 1 or int(float(value)) == value)
