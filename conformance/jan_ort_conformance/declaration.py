"""What a server says it has: its own OpenAPI document, and the tasks and limits in its list of models."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from jan_ort_conformance.target import Target
from jan_ort_openapi import load_spec

TASKS = {"/v1/completions": "generate", "/v1/chat/completions": "generate", "/v1/embeddings": "embed"}


@dataclass(frozen=True, slots=True)
class Declaration:
    """The served document (the bundled one where none is served) and what the list of models tells; None is untold."""

    document: dict[str, Any]
    serves_document: bool
    tasks: frozenset[str] | None
    context_length: int | None
    vocab_size: int | None = None

    def has(self, need: str) -> bool:
        """Whether an operation ("/v1/embeddings"), its field or a field's member ("/v1/x a.b") is declared."""
        path, _, field = need.partition(" ")
        if path not in self.document.get("paths", {}):
            return False
        if self.tasks is not None and path in TASKS and TASKS[path] not in self.tasks:
            return False
        outer, _, member = field.partition(".")
        fields = self._request(path)
        return not field or (outer in fields and (not member or member in self._properties(fields[outer])))

    def fields(self, path: str) -> set[str]:
        """Return the declared fields of the bodies of an operation."""
        return set(self._request(path))

    def _request(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for operation in self.document["paths"][path].values():
            if isinstance(operation, dict):
                content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
                found |= self._properties(content.get("schema", {}))
        return found

    def _properties(self, schema: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        properties = dict(schema.get("properties", {}))
        for key in ("allOf", "anyOf", "oneOf"):
            for branch in schema.get(key, ()):
                properties |= self._properties(branch)
        return properties


def read_declaration(target: Target) -> Declaration:
    """Ask the server what it has; what it does not tell is taken from the bundled document and its overlay."""
    document, serves = load_spec(), False
    answer = target.ask("GET", "/openapi.json")
    if answer.status == 200:
        try:
            served = answer.json
        except ValueError:
            served = None
        if isinstance(served, dict) and isinstance(served.get("paths"), dict):
            document, serves = served, True
    metadata = _metadata(target)
    return Declaration(
        document, serves, _tasks(metadata), _number(metadata, "context_length"), _number(metadata, "vocab_size")
    )


def _metadata(target: Target) -> list[dict[str, Any]]:
    """Return what the list of models tells of each, those that generate first; nothing if it tells nothing."""
    try:
        models = target.ask("GET", "/v1/models").json["data"]
        told = [model["metadata"] for model in models if isinstance(model.get("metadata"), dict)]
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError):
        return []
    told = [each for each in told if isinstance(each.get("tasks"), list)]
    return sorted(told, key=lambda each: "generate" not in each["tasks"])


def _tasks(metadata: list[dict[str, Any]]) -> frozenset[str] | None:
    return frozenset(str(task) for each in metadata for task in each["tasks"]) if metadata else None


def _number(metadata: list[dict[str, Any]], name: str) -> int | None:
    found = metadata[0].get(name) if metadata else None
    return found if isinstance(found, int) else None
