"""What a server says it has: its own OpenAPI document, and the tasks and limits in its list of models."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cache
from typing import Any

from jan_ort_conformance.http.server.model_list import metadata_of, model_length_of, models_of, number_of, tasks_of
from jan_ort_conformance.http.server.openai_fields import is_openais
from jan_ort_conformance.http.server.target import Answer, Target, TargetError
from jan_ort_openapi import load_spec

MAX_DEPTH = 8
"""Levels of a schema that are looked into: served documents may refer to themselves."""

TASKS = {
    "/v1/completions": "generate",
    "/v1/chat/completions": "generate",
    "/v1/embeddings": "embed",
    "/v1/rerank": "rerank",
    "/v1/score": "rerank",
    "/v1/messages": "generate",
    "/v1/messages/count_tokens": "generate",
    "/api/chat": "generate",
    "/api/generate": "generate",
    "/api/embed": "embed",
    "/api/embeddings": "embed",
    "/v1/responses": "generate",
}


_SPEAKERS = {"messages.name": "user"}
"""Whose message has a member in the kit's questions, where messages of several roles have one of that name."""


class Standing(Enum):
    """What a server has said of an operation or a field."""

    DECLARED = auto()  # its own document has it
    PRESUMED = auto()  # it has said nothing; it is OpenAI's own, so that it may be asked for
    UNDECLARED = auto()  # its own document describes that operation, and not this
    UNKNOWN = auto()  # it has said nothing, and it is not OpenAI's own


@dataclass(frozen=True, slots=True)
class Declaration:
    """The served document (the bundled one where none is served) and what the list of models tells; None is untold."""

    document: dict[str, Any]
    serves_document: bool
    tasks: frozenset[str] | None
    context_length: int | None
    vocab_size: int | None = None
    oddity: str = ""
    """Why this may not be the URL of such a server at all, in words for its owner."""
    models: dict[str, str] = field(default_factory=dict)
    """The model to be asked for each task, where the list of models names one."""

    def has(self, need: str) -> bool:
        """Whether an operation ("/v1/embeddings"), its field or a member of one ("/v1/x a.b.c") may be asked for."""
        return self.standing(need) in (Standing.DECLARED, Standing.PRESUMED)

    def standing(self, need: str) -> Standing:
        """Return what the server has said of an operation, a field or a member. What is not described says nothing."""
        path, _, name = need.partition(" ")
        if self.tasks is not None and path in TASKS and TASKS[path] not in self.tasks:
            return Standing.UNDECLARED
        described = path not in self.document["paths"] or not name or bool(self._request(path))
        if self.serves_document and described and not self._is_open(path, name):
            return Standing.DECLARED if self._holds(path, name) else Standing.UNDECLARED
        return Standing.PRESUMED if is_openais(need) else Standing.UNKNOWN

    def _is_open(self, path: str, name: str) -> bool:
        """Whether a member is of an object, or of a list's items, of which the document says nothing."""
        found = self._request(path) if path in self.document["paths"] else {}
        for part in name.split(".")[:-1]:
            schema = found.get(part)
            if schema is None:
                return False
            found = self._properties(schema)
            if not found:
                return self._says_nothing(schema, 0)
        return False

    def _says_nothing(self, schema: Any, depth: int) -> bool:
        if not isinstance(schema, dict) or depth > MAX_DEPTH:
            return schema is True
        inner = [branch for key in ("allOf", "anyOf", "oneOf") for branch in schema.get(key, ())]
        inner += [schema["items"]] if "items" in schema else []
        inner += [self._referred(schema)] if "$ref" in schema else []
        is_open = schema.get("type", "object") == "object" and schema.get("additionalProperties") is not False
        return any(self._says_nothing(each, depth + 1) for each in inner) if inner else is_open

    def has_field(self, need: str) -> bool:
        """Whether a need is no member of a field, or of one that may be asked for: of others it is no second lie."""
        field_of, _, member = need.partition(".")
        return not member or self.has(field_of)

    def describes(self, path: str) -> bool:
        """Whether the server's own document says what there is of an operation: that it has none, or its body."""
        if not self.serves_document or path not in self.document["paths"]:
            return self.serves_document
        return "post" not in self.document["paths"][path] or bool(self._request(path))

    def takes_list(self, path: str, name: str) -> bool:
        """Whether a field is declared to be a list too, by the server's own document."""
        described = self.serves_document and path in self.document["paths"]
        return described and self._is_list(self._request(path).get(name), 0)

    def _is_list(self, schema: Any, depth: int) -> bool:
        if not isinstance(schema, dict) or depth > MAX_DEPTH:
            return False
        branches = [branch for key in ("allOf", "anyOf", "oneOf") for branch in schema.get(key, ())]
        branches += [self._referred(schema)] if "$ref" in schema else []
        return schema.get("type") == "array" or any(self._is_list(branch, depth + 1) for branch in branches)

    def _referred(self, schema: dict[str, Any]) -> Any:
        return self.document.get("components", {}).get("schemas", {}).get(str(schema["$ref"]).rpartition("/")[2])

    def model_for(self, path: str) -> str:
        """Return the name of the model that an operation is asked with; OpenAI's API wants one, listed or not."""
        return self.models.get(TASKS[path], "default")

    def _holds(self, path: str, name: str) -> bool:
        if path not in self.document.get("paths", {}):
            return False
        found = self._request(path)
        for part in name.split(".") if name else ():
            if part not in found:
                return False
            found = self._properties(found[part], role=_SPEAKERS.get(name))
        return True

    def fields(self, path: str) -> set[str]:
        """Return the declared fields of the bodies of an operation."""
        return set(self._request(path))

    def members(self, path: str) -> set[str]:
        """Return what the fields hold, of objects and of lists of objects: "tools.function.name"."""

        def below(prefix: str, properties: dict[str, Any]) -> set[str]:
            inner = {f"{prefix}{name}": self._properties(schema) for name, schema in properties.items()}
            deeper = prefix.count(".") + 1 < MAX_DEPTH
            return set(inner).union(*(below(f"{name}.", each) for name, each in inner.items() if deeper))

        return {name for name in below("", self._request(path)) if "." in name}

    def _request(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for operation in self.document["paths"][path].values():
            if isinstance(operation, dict):
                content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
                found |= self._properties(content.get("schema", {}))
        return found

    def _properties(self, schema: Any, depth: int = 0, role: str | None = None) -> dict[str, Any]:
        """Return the properties of an object, or of a list's items; where branches differ, of all of them together.

        Of messages of other roles than ``role`` there are none.
        """
        if not isinstance(schema, dict) or depth > MAX_DEPTH or (role and not _may_be_of(schema, role)):
            return {}
        if "$ref" in schema:
            return self._properties(self._referred(schema), depth + 1, role)
        found: dict[str, list[Any]] = {name: [each] for name, each in schema.get("properties", {}).items()}
        for branch in (branch for key in ("allOf", "anyOf", "oneOf") for branch in schema.get(key, ())):
            for name, each in self._properties(branch, depth + 1, role).items():
                found.setdefault(name, []).append(each)
        properties = {name: each[0] if len(each) == 1 else {"anyOf": each} for name, each in found.items()}
        return properties or self._properties(schema.get("items"), depth + 1, role)


def _may_be_of(schema: dict[str, Any], role: str) -> bool:
    """Whether a message of the schema may have the role."""
    said = schema.get("properties", {}).get("role", {})
    named = [*said.get("enum", ()), *([said["const"]] if "const" in said else [])]
    return not named or role in named


@cache
def is_known(need: str) -> bool:
    """Whether the bundled document has an operation, a field or a member."""
    return Declaration(load_spec(), True, None, None).has(need)


def read_declaration(target: Target, model: str | None = None) -> Declaration:
    """Ask the server what it has; the shape of what it does not tell is the bundled document's, with its overlay.

    ``model`` is the one to be asked, in place of the first that is listed.
    Raises: TargetError if the server refuses the key, or asks for one.
    """
    models = target.ask("GET", "/v1/models")
    if models.status in (401, 403):
        told = "refuses the key" if target.key is not None else "asks for a key"
        raise TargetError(f"{target.url} {told}: {str(models).strip()}; give the right one by --key or JAN_ORT_KEY")
    document, serves = load_spec(), False
    answer = target.ask("GET", "/openapi.json")
    if answer.status == 200:
        served = _parsed(answer)
        if isinstance(served, dict) and isinstance(served.get("paths"), dict):
            document, serves = served, True
    listed = _parsed(models)
    metadata = metadata_of(listed)
    numbers = number_of(metadata, "context_length") or model_length_of(listed), number_of(metadata, "vocab_size")
    names = models_of(listed) | ({"generate": model} if model else {})
    return Declaration(document, serves, tasks_of(metadata), *numbers, oddity=_oddity(models, listed), models=names)


def _parsed(answer: Answer) -> Any:
    try:
        return answer.json
    except ValueError:
        return None


def _oddity(models: Answer, listed: Any) -> str:
    if isinstance(listed, dict) and isinstance(listed.get("data"), list):
        return ""
    kind = models.headers.get("content-type", "no content type")
    return (
        f"GET /v1/models gives no list of models but {models.status} with {kind}; "
        "is this the URL of an API of this kind? A path belongs into it too: http://host/path"
    )
