"""What a string of a ``format`` is held to: the matcher's pattern for it, and ours (hop 3)."""

from __future__ import annotations

from typing import Any

_LEAP_YEAR = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)"
_REAL_DATE = f"^({_LEAP_YEAR}-02-29|....-02-([01]|2[0-8])|....-(0[13-9]|1))"
# No 60th second: it is right in two minutes a year, and most validators know none. A fraction goes to nanoseconds.
_SECOND = r"([^:]*:){2}[0-5][0-9](\.[0-9]{1,9})?[^.0-9]"
_POINTER = "(/([^~/]|~[01])*)*"
_URI_PART = r"([a-zA-Z0-9._~!$&'()*+,;=@/?-]|%[0-9a-fA-F]{2})*"
# A regular expression of letters, escapes, classes and groups, two deep: what every dialect takes.
_ATOM = r"([a-zA-Z0-9 _,:;=@%&/.<>~#!'-]|\\[dDwWsS.*+?()\[\]{}|^$/\\-]|\[\^?([a-zA-Z0-9_. ]|a-z|A-Z|0-9|\\[dws])+\])"
_TERM = rf"({_ATOM}([*+?]|\{{[0-9]{{1,3}}(,)?\}})?|\^|\$)"
_GROUP = rf"\((\?:)?({_TERM}|\|)*\)[*+?]?"

_MATCHERS: dict[str, dict[str, Any]] = {
    "date": {"pattern": _REAL_DATE},
    "time": {"pattern": f"^{_SECOND}"},
    "date-time": {"pattern": f"{_REAL_DATE}{_SECOND}"},
    "duration": {"pattern": "^P(T|[0-9]{1,9}[YMWDHS])+$"},
    # RFC 5321, section 4.5.3.1, with its erratum 1690, and RFC 1035, section 2.3.4: lengths of the parts and the whole.
    "email": {"pattern": r"^[^@]{1,64}@[^.@]{1,63}(\.[^.@]{1,63}){0,3}$", "maxLength": 254},
    "hostname": {"maxLength": 253},
    "ipv4": {},
    "ipv6": {},
    "uuid": {},
    "uri": {},
}
"""The matcher's own formats, each with what else a string of it must be, because the matcher alone allows more."""
_OURS: dict[str, dict[str, Any]] = {
    "json-pointer": {"pattern": f"^{_POINTER}$"},
    "relative-json-pointer": {"pattern": f"^(0|[1-9][0-9]{{0,8}})(#|{_POINTER})$"},
    "uri-reference": {"pattern": f"^{_URI_PART}(#{_URI_PART})?$"},
    "iri-reference": {"pattern": f"^{_URI_PART}(#{_URI_PART})?$"},
    "uri-template": {"pattern": r"^([a-zA-Z0-9._~!$&()*+,;=@/?-]|\{[a-zA-Z0-9_]+(,[a-zA-Z0-9_]+)*\})*$"},
    "iri": {"format": "uri"},
    "idn-email": {"format": "email"},
    # No two hyphens together: where they may stand, and what follows them, is Punycode's.
    "idn-hostname": {"format": "hostname", "pattern": r"^[a-zA-Z0-9]+([.-][a-zA-Z0-9]+)*$"},
    "regex": {"pattern": rf"^({_TERM}|{_GROUP}|\|)*$"},
}
"""Formats that the matcher does not know; a string of ours is always one of the format."""


def hold_format(schema: dict[str, Any]) -> None:
    """Add what a string of the schema's format must be. An unknown format is an annotation, and left out.

    Source: JSON Schema 2020-12, validation, section 7.
    """
    name = schema.get("format")
    if name is None:
        return
    if name not in _MATCHERS:
        del schema["format"]
    more = _MATCHERS.get(name) or _OURS.get(name)
    if more:
        schema["allOf"] = [*schema.get("allOf", []), dict(more)]
