"""How a token's spelling in a vocabulary becomes bytes, as the decoder of tokenizer.json says it (hop 8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jan_ort.models.byte_alphabet import byte_alphabet


def byte_decoder(decoder: dict[str, Any]) -> Callable[[str], bytes] | None:
    """Return how a token's spelling becomes bytes under this decoder of tokenizer.json."""
    parts = {part.get("type"): part for part in _parts(decoder)}
    if "ByteLevel" in parts:
        stand_ins = {ord(stand_in): byte for stand_in, byte in byte_alphabet().items()}
        return lambda token: _spelled_bytes(token, stand_ins)
    if "ByteFallback" in parts:
        return _byte_fallback
    if "Metaspace" in parts:
        space = parts["Metaspace"].get("replacement", "▁")
        return lambda token: token.replace(space, " ").encode()
    return None


def num_stripped(decoder: dict[str, Any]) -> int:
    """Return how many spaces a whole text may lose in front: encoding has put that many there."""
    for part in _parts(decoder):
        if part.get("type") == "Strip" and part.get("content") == " ":
            return int(part.get("start", 0))
        if part.get("type") == "Metaspace" and part.get("prepend_scheme", "always") != "never":
            return 1
    return 0


def _parts(decoder: dict[str, Any]) -> list[dict[str, Any]]:
    return [decoder, *decoder.get("decoders", [])]


def _spelled_bytes(token: str, stand_ins: Mapping[int, int]) -> bytes:
    """Return the bytes that the characters stand for; a token with any other character stands for itself."""
    if stand_ins.keys() >= set(map(ord, token)):
        return token.translate(stand_ins).encode("latin-1")
    return token.encode()


def _byte_fallback(token: str) -> bytes:
    """SentencePiece's spelling: ▁ is a space, and <0xNN> one byte."""
    if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
        return bytes([int(token[3:5], 16)])
    return token.replace("▁", " ").encode()
