"""Images in a chat: what a model that reads them owes; one that reads text only refuses them by name."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

from jan_ort_conformance.http.check_tools.asker import CHAT, GREEDY, Asker, expect_effect
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.http.check_tools.profile import Profile
from jan_ort_conformance.verdicts.verdict import expect

PROFILE = Profile("images")

NEEDS = (f"{CHAT} messages.content.image_url",)
QUESTION = {"type": "text", "text": "What is it?"}
_PNG = b"\x89PNG\r\n\x1a\n"
DARK, LIGHT = (16, 24, 160), (250, 240, 90)


def picture(*colours: tuple[int, int, int], side: int = 64) -> str:
    """Return a PNG file of stripes in these colours, as a data: URL."""
    row = b"\0" + b"".join(bytes(colour) * (side // len(colours)) for colour in colours)
    width = (len(row) - 1) // 3
    parts = ((b"IHDR", struct.pack(">IIBBBBB", width, side, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(row * side)))
    chunks = [_chunk(name, body) for name, body in (*parts, (b"IEND", b""))]
    return f"data:image/png;base64,{base64.b64encode(b''.join([_PNG, *chunks])).decode()}"


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def part(url: str) -> dict[str, Any]:
    """Return a content part."""
    return {"type": "image_url", "image_url": {"url": url}}


def seen(server: Asker, *parts: dict[str, Any]) -> tuple[str, int]:
    """Return what a chat about these parts is answered, with the log-probability of its first token, and its length."""
    fields = {"messages": [{"role": "user", "content": list(parts)}], "logprobs": True, "top_logprobs": 2}
    answer = server.ask(CHAT, **{**GREEDY, "max_tokens": 6}, **fields)
    (choice,) = answer["choices"]
    entries = (choice.get("logprobs") or {}).get("content") or [{}]
    told = f"{choice['message']['content']!r}, first token {entries[0].get('logprob')}"
    return told, answer["usage"]["prompt_tokens"]


@check("images.change_the_answer", optional="messages", needs=NEEDS)
def change_the_answer(server: Asker) -> None:
    """Two pictures of one size are answered otherwise, each alike each time, and counted in the prompt."""
    (dark, length), (light, _), (text, without) = (
        seen(server, *parts, QUESTION) for parts in ((part(picture(DARK)),), (part(picture(LIGHT)),), ())
    )
    expect_effect(dark != light, f"a dark picture and a light one are answered alike: {dark}")
    expect_effect(dark != text, f"a question is answered alike with a picture and without: {dark}")
    expect(without < length, f"without a picture the prompt has {without} tokens, with one {length}")
    again, _ = seen(server, part(picture(DARK)), QUESTION)
    expect(again == dark, f"the same picture is answered first {dark}, then {again}")


@check("images.keep_their_order", optional="messages", needs=NEEDS)
def keep_their_order(server: Asker) -> None:
    """Two pictures in the other order are another prompt, and both are read."""
    dark, light = part(picture(DARK)), part(picture(LIGHT))
    (one, length), (other, _), (first, alone) = (
        seen(server, *parts, QUESTION) for parts in ((dark, light), (light, dark), (dark,))
    )
    expect_effect(one != other, f"two pictures in either order are answered alike: {one}")
    expect_effect(one != first, f"two pictures are answered as the first alone: {one}")
    expect(alone < length, f"one picture makes a prompt of {alone} tokens, two one of {length}")


@check("images.stand_where_they_are", optional="messages", needs=NEEDS)
def stand_where_they_are(server: Asker) -> None:
    """A picture before a text and behind it are two prompts, of which each has one picture's tokens."""
    image = part(picture(DARK, LIGHT))
    (before, length), (behind, other) = (seen(server, *parts) for parts in ((image, QUESTION), (QUESTION, image)))
    expect_effect(before != behind, f"a picture before and behind the question is answered alike: {before}")
    expect(abs(length - other) <= 4, f"the prompts have {length} and {other} tokens")


@check("images.refuse_what_is_none", optional="messages", needs=NEEDS)
def refuse_what_is_none(server: Asker) -> None:
    """Broken pictures are refused with 400 or 422, and a text is answered afterwards."""
    whole = picture(DARK)
    broken = {
        "a file that is cut off": whole[: len(whole) // 2 // 4 * 4],
        "no base64": "data:image/png;base64,%%%",
        "a text": f"data:image/png;base64,{base64.b64encode(b'not a picture').decode()}",
        "a file of this machine": "file:///etc/hostname",
    }
    seen(server, part(whole), QUESTION)
    for what, url in broken.items():
        body = {"messages": [{"role": "user", "content": [QUESTION, part(url)]}], "max_tokens": 1}
        answer = server.post(CHAT, body)
        expect(answer.status in (400, 422), f"{what} as a picture should be refused with 400; the answer is {answer}")
    seen(server, QUESTION)
