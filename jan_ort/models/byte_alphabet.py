"""GPT-2's spelling of bytes, which byte-level tokenizers have."""

from __future__ import annotations


def byte_alphabet() -> dict[str, int]:
    """Return GPT-2's printable stand-in of each byte, by stand-in (Radford et al. 2019, the released encoder)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + at): byte for at, byte in enumerate(others)}
