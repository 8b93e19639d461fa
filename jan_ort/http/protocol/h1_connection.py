"""What an HTTP/1.1 connection makes of bytes that come before their time (hop 1)."""

from __future__ import annotations

import h11


class PatientConnection(h11.Connection):
    """h11's, which leaves what follows a whole request alone, and ignores line ends before one.

    h11 asks for a pause, in which nothing is read, until the request is answered; or, after ``Connection: close``,
    takes a line end for an error. Source: RFC 9112, sections 2.2 and 9.6.
    """

    @property
    def ahead(self) -> bytes:
        """What has come after a whole request."""
        return self.trailing_data[0] if self._is_whole else b""

    def receive_data(self, data: bytes) -> None:
        """Take what has come; b"" is the end of it."""
        if data and self.their_state is h11.IDLE and not self.trailing_data[0]:
            data = data.lstrip(b"\r\n")
            if not data:
                return
        super().receive_data(data)

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next event, or NEED_DATA: a request that is whole has none."""
        return h11.NEED_DATA if self._is_whole else super().next_event()

    @property
    def _is_whole(self) -> bool:
        return self.their_state in (h11.DONE, h11.MUST_CLOSE, h11.CLOSED)
