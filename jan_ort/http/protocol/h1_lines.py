"""The lines of HTTP/1.1 as every server on the way reads them (hop 1)."""

from __future__ import annotations

from h11 import LocalProtocolError
from h11._receivebuffer import ReceiveBuffer


class StrictLines(ReceiveBuffer):
    """h11's, which takes an LF alone for a line's end, and a line that begins with a space for more of the last one.

    A proxy that does not would see other headers, or the body's end elsewhere, and pass the rest on as a request that
    it has not looked at. Source: RFC 9112, sections 2.2, 5.2 and 7.1.
    """

    def maybe_extract_lines(self) -> list[bytearray] | None:
        """Return a head or trailers, once they are whole. Raises: LocalProtocolError, which answers 400."""
        num_bytes = len(self)
        lines = super().maybe_extract_lines()
        if lines is None:
            return None
        if num_bytes - len(self) != sum(len(line) + 2 for line in [*lines, b""]):
            raise LocalProtocolError("a line ends in LF alone; the end is CRLF")
        if any(line.startswith((b" ", b"\t")) for line in lines):
            raise LocalProtocolError("a line begins with a space; a header is one line")
        return lines

    def maybe_extract_next_line(self) -> bytearray | None:
        """Return the line before a chunk, once it is whole. Raises: LocalProtocolError, which answers 400."""
        line = super().maybe_extract_next_line()
        if line is not None and b"\r" in line[:-2]:
            raise LocalProtocolError("a line holds CR without LF")
        return line
