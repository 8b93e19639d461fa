"""Text of others, as a log or a terminal may show it: on one line, not long, and without what steers a terminal."""

from __future__ import annotations

import copy
import json
import logging
import re
import time
import traceback
from collections.abc import Callable, Iterator

# Control characters, ends of lines and paragraphs, marks and overrides of direction, halves of surrogate pairs.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_WORD = re.compile(r"[\w/.:\[\]-]+", re.ASCII)

MAX_LINE = 2000
"""Characters of a line at most."""

PROMPTS = "jan_ort.prompts"
"""The logger of what clients ask, if that is wanted: its lines go to nowhere beside the log."""

_MAX_TRACE_LINES = 400

_LINE = "%(asctime)s %(levelname)s %(message)s"
_SECONDS = "%Y-%m-%d %H:%M:%S"

_LONG_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
"""With milliseconds and the logger's name, for whoever looks for a fault."""


def shown(text: object, limit: int = MAX_LINE) -> str:
    r"""Return ``text`` on one line, with ``\n`` for a line's end and so on, and cut after ``limit`` characters."""
    whole = str(text)
    escaped = _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), whole[:limit])
    return escaped if len(whole) <= limit else f"{escaped}... ({len(whole)} characters)"


def quoted(text: object, limit: int = 100) -> str:
    """Return what a client sent, in quotes unless it is a plain word, so that it does not pass for the rest of a line.

    It is cut as by ``shown``.
    """
    whole = str(text)
    if len(whole) > limit:
        return f"{whole[:limit]!r}... ({len(whole)} characters)"
    return whole if _WORD.fullmatch(whole) else repr(whole)


class ShownRecord(logging.LogRecord):
    """A record whose message is shown so, whatever its arguments are, whoever logs it and whoever writes it."""

    def getMessage(self) -> str:  # noqa: N802
        """Return the message."""
        return shown(super().getMessage())


class ShownFormatter(logging.Formatter):
    """Writes a traceback with a bar before each line, so that no exception's text passes for a line of the log."""

    def formatException(self, ei: object) -> str:  # noqa: N802
        """Return the traceback."""
        return _barred(super().formatException(ei))  # type: ignore[arg-type]

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        """Return the stack."""
        return _barred(stack_info)


def _barred(trace: str) -> str:
    lines = trace.split("\n")
    if len(lines) > _MAX_TRACE_LINES:
        half = _MAX_TRACE_LINES // 2
        lines[half:-half] = [f"... ({len(lines) - _MAX_TRACE_LINES} lines)"]
    return "\n".join(f"  | {shown(line)}" for line in lines)


def show_log_lines_safely() -> None:
    """Have every record of this process shown so, also where nobody has set up logging (``hypercorn jan_ort:app``)."""
    logging.setLogRecordFactory(ShownRecord)
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(ShownFormatter("%(message)s"))


def log_to_stderr(level: int) -> None:
    """Set up the log of a process of our own, unless somebody has done so."""
    show_log_lines_safely()
    handler = logging.StreamHandler()
    handler.setFormatter(_formatter(level))
    logging.basicConfig(level=level, handlers=[handler])


def _formatter(level: int) -> ShownFormatter:
    return ShownFormatter(_LONG_LINE) if level <= logging.DEBUG else ShownFormatter(_LINE, _SECONDS)


class JsonFormatter(ShownFormatter):
    """Writes a record as one line of JSON: when, how grave, whose, what, and the ``fields`` that it was logged with."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {"time": f"{moment}.{int(record.msecs):03d}Z", "level": record.levelname.lower(), "logger": record.name}
        line |= {"message": record.getMessage()} | getattr(record, "fields", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def log_as(level: str | None, *, in_json: bool) -> None:
    """Have the log of a process of our own written so, and from this level on; None leaves that as it is."""
    root = logging.getLogger()
    if level is not None:
        root.setLevel(level.upper())
    for handler in root.handlers:
        if type(handler.formatter) is ShownFormatter:
            handler.setFormatter(JsonFormatter() if in_json else _formatter(root.level))


def is_in_json() -> bool:
    """Whether the log of this process is written as JSON."""
    return any(type(handler.formatter) is JsonFormatter for handler in logging.getLogger().handlers)


class _CleanedFormatter(ShownFormatter):
    """Writes a long line, after ``clean`` has left out what is not for everybody, without the words of some errors."""

    def __init__(self, clean: Callable[[str], str], wordless: tuple[str, ...]) -> None:
        super().__init__(_LONG_LINE)
        self._clean = clean
        self._wordless = wordless

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and a traceback after it."""
        return self._clean(super().format(_without_words(record) if record.name.startswith(self._wordless) else record))


def _without_words(record: logging.LogRecord) -> logging.LogRecord:
    """Return a record that has of each error the class and the frames, and not what it says."""
    bare = copy.copy(record)
    bare.msg = str(record.msg).partition("\n")[0]  # asyncio shows a task and its error in the lines after it
    if isinstance(record.args, tuple):
        bare.args = tuple(type(each).__name__ if isinstance(each, BaseException) else each for each in record.args)
    if record.exc_info and record.exc_info[1] is not None:
        bare.exc_text = _barred("\n".join(_frames(record.exc_info[1])))
    return bare


def _frames(error: BaseException) -> Iterator[str]:
    """Yield the frames and the class of an error, after those of the ones that led to it."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _frames(before)
    yield "".join(traceback.format_tb(error.__traceback__)) + type(error).__qualname__


def log_beside(
    handler: logging.Handler, level: int, clean: Callable[[str], str], wordless: tuple[str, ...] = ()
) -> None:
    """Have the log go to another place, too, from a level on, each line cleaned and without what clients ask.

    Of errors that loggers with one of the beginnings ``wordless`` log, class and frames go there, and no words.
    """
    handler.setLevel(level)
    handler.addFilter(lambda record: record.name != PROMPTS)
    handler.setFormatter(_CleanedFormatter(clean, wordless))
    logging.getLogger().addHandler(handler)
