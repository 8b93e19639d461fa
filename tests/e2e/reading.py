"""An answer that is read while the test does something else."""

from __future__ import annotations

import threading
from typing import Any

import httpx


class Reading:
    """Asks for an answer and reads it in a thread of its own.

    ``sent`` is set when the server has been asked, ``begun`` at the answer's first bytes. ``failure`` is what the
    client raised where the answer did not come to its end.
    """

    def __init__(self, url: str, body: dict[str, Any], path: str = "/v1/completions", *, http2: bool = False) -> None:
        self.sent, self.begun = threading.Event(), threading.Event()
        self.text = ""
        self.status = 0
        self.failure: httpx.TransportError | None = None
        self._request = url + path, body, http2
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        url, body, http2 = self._request
        with httpx.Client(http1=not http2, http2=http2, timeout=60) as client:
            try:
                with client.stream("POST", url, json=body, extensions={"trace": self._trace}) as response:
                    self.status = response.status_code
                    for text in response.iter_text():
                        self.text += text
                        self.begun.set()
            except httpx.TransportError as error:
                self.failure = error

    def _trace(self, event: str, _: object) -> None:
        if event.endswith("send_request_body.complete"):
            self.sent.set()

    def whole(self) -> str:
        """Return all that came, once nothing more does."""
        self._thread.join(30)
        assert not self._thread.is_alive(), "the answer never ends"
        return self.text

    def events(self) -> list[str]:
        return self.whole().removesuffix("\n\n").split("\n\n")
