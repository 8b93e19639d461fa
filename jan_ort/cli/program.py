"""The command line ``jan-ort``: its commands, and how it logs."""

from __future__ import annotations

import errno
import io
import logging
import sys
from typing import Any

import click

from jan_ort._version import __version__
from jan_ort.cli.commands.lazy_group import VERBOSE_HELP, LazyGroup
from jan_ort.cli.process_end import end_in_time
from jan_ort.ground.shown_text import log_to_stderr, shown

COMMANDS = {
    "serve": ("jan_ort.cli.commands.serve:serve", "Serve models with OpenAI's API until Ctrl-C."),
    "chat": ("jan_ort.cli.commands.chat:chat", "Chat in the terminal, or ask one question."),
    "models": ("jan_ort.cli.commands.models:models", "List, fetch, convert, export and remove models."),
    "backends": ("jan_ort.cli.commands.backends:backends", "List the installed backends, and why one cannot be used."),
    "doctor": (
        "jan_ort.cli.commands.doctor:doctor",
        "Check whether the server can start, and explain any problem.",
    ),
    "bench": ("jan_ort.cli.commands.bench:bench", "Measure how long clients of a running server wait."),
    "service": (
        "jan_ort.cli.commands.service:service",
        "Install the server as a service of this system, or remove it.",
    ),
    "config": ("jan_ort.cli.commands.config:config", "Show each setting and where it comes from."),
}


OTHER_NAMES = {
    "run": ("chat",),
    "start": ("serve",),
    "pull": ("models", "pull"),
    "ls": ("models", "list"),
    "list": ("models", "list"),
    "rm": ("models", "remove"),
    "search": ("models", "search"),
}
"""What other servers' programs call some of our commands, which who comes from there types."""

ELSEWHERE = {
    "ps": "To list a running server's models: curl http://127.0.0.1:8000/v1/models",
    "show": "To see a model of a running server: curl http://127.0.0.1:8000/v1/models/NAME",
    "stop": "To stop a server, press Ctrl-C in its terminal; to unload a model: POST /models/unload",
    "create": "A model is what --model names: jan-ort models convert FILE.gguf makes its folder",
    "status": "Open http://127.0.0.1:8000/status of a running server; of a service: jan-ort service status",
}
"""What those programs have a command for and we do not, and what to do instead."""


class Program(LazyGroup):
    """The commands as a program of their own: when they are done, the process ends, and errors are one line."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is meant and what is left of the arguments. Raises: UsageError."""
        name, *rest = args
        if name in ELSEWHERE:
            ctx.fail(f"No such command {name!r}. {ELSEWHERE[name]}")
        if name == "run" and rest and not rest[0].startswith("-"):
            rest.insert(0, "--model")
        return super().resolve_command(ctx, [*OTHER_NAMES.get(name, (name,)), *rest])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for. Raises: ClickException, whose text steers no terminal."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            error.message = shown(error.message)  # type: ignore[misc]
            raise

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command. Raises: SystemExit."""
        if isinstance(sys.stdout, io.TextIOWrapper):
            # A file or pipe may be written in an encoding (Windows' code pages) that lacks letters of a path or answer.
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            return self._run(*args, **kwargs)
        except SystemExit as leaving:
            end_in_time(leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None))
            raise

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command, which may write to a full disk, its output or a file. Raises: SystemExit; OSError."""
        try:
            return super().__call__(*args, **kwargs)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            sys.exit(f"Error: {error}")


@click.group(cls=Program, places=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="jan-ort")
@click.option("-v", "--verbose", is_flag=True, help=VERBOSE_HELP)
def main(*, verbose: bool) -> None:
    """Serve ONNX models with OpenAI's API."""
    log_to_stderr(logging.DEBUG if verbose else logging.INFO)
    for name in ("asyncio", "hypercorn.error", "httpx", "httpx2", "httpcore", "filelock"):
        logging.getLogger(name).setLevel(logging.WARNING)


if __name__ == "__main__":
    main()
