"""What clears a server of a violation: what was seen rests on something else that it lacks, and is judged for there.

The level strict takes none of them from a server that says what it has: there each promise is this project's own.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

import httpx

from jan_ort_conformance.http.check_tools.answers import NoDone, NoErrorObject, error_of
from jan_ort_conformance.http.check_tools.asker import EMBEDDINGS, GENERATING, Asker, Refused
from jan_ort_conformance.http.check_tools.habits import habits_of
from jan_ort_conformance.http.check_tools.http_check import HttpCheck
from jan_ort_conformance.verdicts.verdict import Level, Violation

_ABOUT = {
    "n": ("field.*.n",),
    "logprobs": ("field.*.logprobs", "logprobs.*"),
    "stop": ("field.*.stop", "stop.never_leaks"),
}
"""Fields by which many checks look at an answer, and the checks that are about them."""
_RESTS_ON = {
    "max_tokens": ("stop.is_told", "finish.*", "stream.comes_as_it_is_written"),
    "temperature": ("sampling.*", *(f"field.*.{name}" for name in ("top_p", "top_k", "min_p", "seed"))),
    "seed": ("seed.is_of_*", "seed.holds_*", "seed.repeats_as_*", "connection.seeds_*"),
    "encoding_format": ("embeddings.base64_*",),
    "input": ("embeddings.read_long_texts_*", "embeddings.tell_near_*", "embeddings.long_texts_*", "embeddings.keep_*"),
}
"""Fields that many questions have, and the checks that show nothing where they have no effect."""
_ABOUT_ERRORS, _ABOUT_DONE = ("refusal.is_an_openai_error",), ("stream.ends_with_done",)
_ABOUT_REPEATING = ("seed.*", "field.*.seed")
_ABOUT_USAGE = ("usage.adds_up",)
_ABOUT_ROOM = ("overflow.*",)


def excuse(entry: HttpCheck, asker: Asker, violation: Violation) -> str:
    """Return why the violation is no fault of what the check is about, or nothing."""
    if asker.level is Level.STRICT and asker.declaration.serves_document:
        return ""
    cause = violation.__cause__
    if isinstance(cause, KeyError) and cause.args == ("usage",) and not _is_any(entry, _ABOUT_USAGE):
        return "the answer has no usage"
    if asker.has_unclear_stop:
        return "a stop string of U+FFFD stands for bytes that are not a letter"
    sent, has_compared = set(asker.sent), asker.has_compared
    try:
        with habits_of(asker).aside():
            told = _of_company(entry, asker, sent) or _of_shape(entry, asker, violation)
            return told or (_of_steadiness(entry, asker) if has_compared else "")
    except httpx.HTTPError:
        return ""


def lacks_room(entry: HttpCheck, asker: Asker, refusal: Refused) -> bool:
    """Whether a question was refused as longer than the context, and has as many bytes as that has tokens, or more.

    Some tokenizers make a token of each letter. At the level strict too: no server promises a context of some size.
    """
    length = asker.declaration.context_length
    if length is None or asker.target.num_bytes_sent() < length or _is_any(entry, _ABOUT_ROOM):
        return False
    try:
        return refusal.answer.status == 400 and error_of(refusal.answer)["code"] == "context_length_exceeded"
    except Violation:
        return False


def _of_company(entry: HttpCheck, asker: Asker, sent: set[str]) -> str:
    for path in (*GENERATING, EMBEDDINGS):
        met = {name for name, about in _ABOUT.items() if not _is_any(entry, about)}
        met |= {name for name, resting in _RESTS_ON.items() if _is_any(entry, resting)}
        for name in sorted(met):
            if f"{path} {name}" in sent and habits_of(asker).is_idle(path, name):
                return f"{name} has no effect at {path}"
    return ""


def _of_shape(entry: HttpCheck, asker: Asker, violation: Violation) -> str:
    """Return the shape of answers that the server never has, and that another check is about."""
    habits = habits_of(asker)
    if isinstance(violation, NoErrorObject) and not _is_any(entry, _ABOUT_ERRORS) and not habits.has_error_objects:
        return "its errors are not OpenAI error objects"
    if isinstance(violation, NoDone) and not _is_any(entry, _ABOUT_DONE) and not habits.has_done:
        return "its streams have no [DONE]"
    return ""


def _of_steadiness(entry: HttpCheck, asker: Asker) -> str:
    if _is_any(entry, _ABOUT_REPEATING) or habits_of(asker).is_steady:
        return ""
    return "the same request gets different answers at temperature 0"


def shows_by_chance(asker: Asker) -> bool:
    """Whether what a check has seen of a field may be what the server's texts do by themselves."""
    try:
        with habits_of(asker).aside():
            return not habits_of(asker).is_steady
    except httpx.HTTPError:
        return True


def _is_any(entry: HttpCheck, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(entry.id, pattern) for pattern in patterns)


def lists_undeclared(asker: Asker) -> list[str]:
    """Return the fields that were sent as lists, where the server's own document does not say that they may be."""
    lists = [need.removesuffix("[]") for need in sorted(asker.sent) if need.endswith("[]")]
    return [f"a list as {need}" for need in lists if not asker.declaration.takes_list(*need.split(" "))]
