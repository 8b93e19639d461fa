"""What the frames of an HTTP/2 connection cost, found before any is read: a flood of them is bounded by it (hop 1)."""

from __future__ import annotations

import time
from collections.abc import Iterator

BURST = 2_000.0
REFILL_A_S = 200.0
"""Frames that a client may send at once, and in each second, beside those that its requests and our answers need."""

_FRAMES_A_TURN = 32
_BYTES_A_TURN = 2**13
"""What is read in one turn of the loop: some milliseconds of the dearest frames there are."""

_PREFACE_BYTES, _HEADER_BYTES = 24, 9
_DATA, _HEADERS, _RST_STREAM = 0, 1, 3
_SMALL_BYTES = 64
"""A body in smaller frames than this takes longer to take apart than to read."""

_BYTES_A_FRAME = 256
"""So many bytes of a control frame cost as much as another one: a SETTINGS may hold 2,730 settings."""

_RESET_COST = 8.0
"""What a reset costs: more than its request brings in, should that be answered before."""


class FrameMeter:
    """Follows a connection's bytes from frame to frame, and keeps an account of them."""

    def __init__(self) -> None:
        self._num_to_skip = _PREFACE_BYTES
        self._header = b""
        self._credit = BURST
        self._filled_at = time.monotonic()

    @property
    def is_overdrawn(self) -> bool:
        """Whether more frames came than any client needs."""
        return self._credit < 0

    def earn(self, num_frames: float) -> None:
        """Let the client send so many frames more, as its answers to ours; or fewer, if what it sent was dear."""
        self._credit = min(self._credit + num_frames, BURST)

    def portions(self, received: bytes) -> Iterator[bytes]:
        """Yield what was received in portions of one turn of the loop each, charged for before they are handed out."""
        now = time.monotonic()
        self.earn((now - self._filled_at) * REFILL_A_S)
        self._filled_at = now
        start = position = num_frames = 0
        while position < len(received):
            if self._num_to_skip:
                num_skipped = min(self._num_to_skip, len(received) - position)
                self._num_to_skip -= num_skipped
                position += num_skipped
                continue
            missing = _HEADER_BYTES - len(self._header)
            self._header += received[position : position + missing]
            position = min(position + missing, len(received))
            if len(self._header) == _HEADER_BYTES:
                num_frames += self._begin_frame()
            if num_frames >= _FRAMES_A_TURN or position - start >= _BYTES_A_TURN:
                yield received[start:position]
                start, num_frames = position, 0
        yield received[start:]

    def _begin_frame(self) -> int:
        """Charge for the frame that begins, and return its share of a turn: all of it for a request."""
        length, kind = int.from_bytes(self._header[:3], "big"), self._header[3]
        self._header = b""
        self._num_to_skip = length
        if kind == _DATA:
            self._credit -= length < _SMALL_BYTES
        elif kind == _HEADERS:
            self._credit -= 1
            return _FRAMES_A_TURN
        else:
            self._credit -= (_RESET_COST if kind == _RST_STREAM else 1) + length / _BYTES_A_FRAME
        return 1
