"""Conversations as files: by a name in the user's data folder, or by a path."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from jan_ort.cli.terminal_chat.exchange import ChatError

_NAME = re.compile(r"[\w-][\w .-]{0,99}")
_ROLES = ("user", "assistant")


def data_folder() -> Path:
    """Return where this program keeps what the user has typed."""
    return user_data_path("jan-ort", appauthor=False)


def history_path() -> Path:
    """Return the file of the lines that were typed."""
    return data_folder() / "chat-history"


def save(where: str, content: dict[str, Any]) -> Path:
    """Write a conversation for this user alone, and return its path. Raises: ChatError.

    A name replaces what was saved by it; a path must be free.
    """
    path, is_named = _path(where)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if is_named else os.O_EXCL)
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2, ensure_ascii=False)
    except FileExistsError as error:
        raise ChatError(f"{path} already exists; choose another path") from error
    except OSError as error:
        raise ChatError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def load(where: str) -> dict[str, Any]:
    """Return a conversation: its "messages", and "system" where it has one. Raises: ChatError."""
    path, _ = _path(where)
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        known = ", ".join(names()) or "none"
        raise ChatError(f"there is no {path}; saved by name: {known}") from error
    except (OSError, ValueError) as error:
        raise ChatError(f"{path} cannot be read: {error}") from error
    messages = content.get("messages") if isinstance(content, dict) else None
    if not isinstance(messages, list) or not all(map(_is_message, messages)):
        raise ChatError(f"{path} is not a saved conversation: it has no messages from user and assistant")
    system = content.get("system")
    kept = [{"role": each["role"], "content": each["content"]} for each in messages]
    return {"messages": kept, "system": system if isinstance(system, str) else None}


def names() -> list[str]:
    """Return what was saved by name."""
    return sorted(path.stem for path in (data_folder() / "chats").glob("*.json"))


def _path(where: str) -> tuple[Path, bool]:
    """Return the path that is meant, and whether by name."""
    if where.endswith(".json") or "/" in where or "\\" in where:
        return Path(where).expanduser(), False
    if not _NAME.fullmatch(where):
        raise ChatError(f"{where!r} is neither a name (letters, digits, spaces, - and _) nor a path that ends in .json")
    return data_folder() / "chats" / f"{where}.json", True


def _is_message(message: object) -> bool:
    return (
        isinstance(message, dict) and message.get("role") in _ROLES and isinstance(message.get("content"), str | list)
    )
