"""A server in this process: on a free port of this machine, with a key that nobody else knows."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading

from pydantic import SecretStr

from jan_ort.cli.terminal_chat.exchange import ChatError
from jan_ort.cli.terminal_chat.remote_server import RemoteServer
from jan_ort.http.launcher import BindError, bind, serve_models
from jan_ort.serving.choice import Checked
from jan_ort.serving.server import Server, Status
from jan_ort.settings.schema import Settings

_HOST = "127.0.0.1"

_POLL_S = 0.02
"""Between looks at the server, and at Ctrl-C, which no blocking wait notices on Windows."""


class LocalServer(RemoteServer):
    """Serves in a thread of its own, and is asked as any other server is."""

    def __init__(self, settings: Settings, checked: Checked | None = None) -> None:
        """Start to serve, and wait until the models are loaded; ``checked`` as for ``Server``. Raises: ChatError."""
        key = secrets.token_urlsafe(32)
        try:
            self._listener = bind(_HOST, 0)
        except BindError as error:
            raise ChatError(str(error)) from error
        super().__init__(f"http://{_HOST}:{self._listener.getsockname()[1]}", key)
        self._failures: list[Exception] = []
        own = settings.model_copy(update={"host": _HOST, "api_key": SecretStr(key)})
        self.server = Server(own, checked=checked, on_failure=self._failures.append)
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="server", daemon=True)
        self._thread.start()
        try:
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop the server and free the models. May be called twice."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended by itself
            self._loop.call_soon_threadsafe(self._ended.set)
        while self._thread.is_alive():
            self._thread.join(_POLL_S)

    def _serve(self) -> None:
        with self._listener, asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(serve_models(self.server, [self._listener], self._ended))

    def _wait_until_ready(self) -> None:
        while self.server.status is not Status.READY:
            if self._failures:
                raise ChatError(f"the model cannot be loaded: {self._failures[0]}")
            if not self._thread.is_alive():
                raise ChatError("the server in this process has stopped unexpectedly; try again with --verbose")
            self._thread.join(_POLL_S)
