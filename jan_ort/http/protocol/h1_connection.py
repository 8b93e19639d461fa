"""What an HTTP/1.1 connection makes of bytes that come before their time, or that others may read otherwise (hop 1)."""

from __future__ import annotations

import h11

from jan_ort.http.protocol.h1_lines import StrictLines


class PatientConnection(h11.Connection):
    """h11's, which leaves what follows a whole request alone, and ignores line ends before one.

    h11 asks for a pause, in which nothing is read, until the request is answered; or, after ``Connection: close``,
    takes a line end for an error. Source: RFC 9112, sections 2.2 and 9.6.
    """

    def __init__(self, max_incomplete_event_size: int) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size=max_incomplete_event_size)
        self._receive_buffer = StrictLines()
        self.fault = ""
        """What is wrong with a request that is refused."""

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
        """Return the next event, or NEED_DATA: a request that is whole has none. Raises: RemoteProtocolError."""
        if self._is_whole:
            return h11.NEED_DATA
        try:
            event = super().next_event()
            if isinstance(event, h11.Request):
                _check_framing(event)
        except h11.RemoteProtocolError as error:
            self.fault = f": {error}"
            raise
        return event

    @property
    def _is_whole(self) -> bool:
        return self.their_state in (h11.DONE, h11.MUST_CLOSE, h11.CLOSED)


def _check_framing(request: h11.Request) -> None:
    """Refuse a body whose end another server on the way may see elsewhere (RFC 9112, sections 6.1 and 6.3)."""
    names = [name for name, _ in request.headers]
    if b"transfer-encoding" not in names:
        return
    if b"content-length" in names:
        raise h11.RemoteProtocolError("a request has Content-Length or Transfer-Encoding, and not both")
    if request.http_version < b"1.1":
        raise h11.RemoteProtocolError("HTTP/1.0 has no Transfer-Encoding")
