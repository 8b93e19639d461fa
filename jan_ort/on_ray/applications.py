"""Which of Ray's applications a request means, where several serve models behind one port (hop 1).

Ray tells its proxies of all of them; each is asked for its models, as a client would.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from jan_ort.ground.json_object import object_in
from jan_ort.http.api_error import ApiError
from jan_ort.on_ray.asking import App, Message, Told, asked

NAME = "jan-ort"
"""The first application; others are named ``jan-ort-`` and something. Whatever else runs on Ray is not ours."""

JOINED = {"/v1/models": "data", "/api/tags": "models", "/api/ps": "models"}
"""Lists of models, and the field that has them."""

_TASKS = {
    "/completions": "generate",
    "/responses": "generate",
    "/messages": "generate",
    "/api/chat": "generate",
    "/api/generate": "generate",
    "/embeddings": "embed",
    "/api/embed": "embed",
    "/rerank": "rerank",
    "/score": "rerank",
}
"""How the paths end whose task says which models can be meant."""

_MODELS = "/v1/models/"
_RESPONSES = "/v1/responses/"
_KNOWN_S = 5.0
_ANSWER_S = 5.0


@dataclass(frozen=True)
class Application:
    """Where an application is, and the tasks of each of its models; of a single one they are not asked for."""

    prefix: str
    models: Mapping[str, frozenset[str]]

    def can(self, task: str | None) -> bool:
        """Whether one of its models does this, anything for None."""
        return task is None or any(task in each for each in self.models.values())


class Applications:
    """Knows the applications for some seconds; ``app`` is Ray's proxy."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._known: Sequence[Application] = ()
        self._known_at = float("-inf")
        self._looking: asyncio.Task[None] | None = None

    async def known(self, scope: Message) -> Sequence[Application]:
        """Return the applications, the one at ``/`` first; they are asked anew beside a request, but the first time."""
        if time.monotonic() - self._known_at > _KNOWN_S and self._looking is None:
            self._looking = asyncio.create_task(self._look(scope))
        if not self._known and self._looking is not None:
            await asyncio.shield(self._looking)
        return self._known

    async def _look(self, scope: Message) -> None:
        try:
            prefixes = await self._prefixes(scope)
            models = await asyncio.gather(*(self._models(each, scope) for each in prefixes if len(prefixes) > 1))
            before = {each.prefix: each.models for each in self._known}
            found = dict(zip(prefixes, models, strict=False))
            self._known = [Application(each, found.get(each) or before.get(each, {})) for each in prefixes]
            self._known_at = time.monotonic() if all(found.values()) else float("-inf")
        finally:
            self._looking = None

    async def _prefixes(self, scope: Message) -> list[str]:
        told = await asked(self._app, scope, "/-/routes")
        routes = json.loads(told.body) if told.status == 200 else {}
        ours = [prefix for prefix, name in routes.items() if name == NAME or name.startswith(f"{NAME}-")]
        return sorted(each.rstrip("/") for each in ours)

    async def _models(self, prefix: str, scope: Message) -> Mapping[str, frozenset[str]]:
        """Return an application's models with their tasks; none if it does not answer in time, or not this client."""
        try:
            async with asyncio.timeout(_ANSWER_S):
                told = await asked(self._app, scope, f"{prefix}/v1/models")
        except TimeoutError:  # every request would wait for a replica that Ray has not yet, or forgot to tell
            return {}
        data = json.loads(told.body)["data"] if told.status == 200 else []
        return {each["id"]: frozenset(object_in(each, "metadata").get("tasks", ())) for each in data}

    async def joined(self, path: str, scope: Message) -> Told:
        """Return the answer to a request for a list of models: all of theirs, or the first answer that is none."""
        answers = [await asked(self._app, scope, f"{each.prefix}{path}") for each in self._known]
        for each in answers:
            if each.status != 200:
                return each
        first, *others = (json.loads(each.body) for each in answers)
        for other in others:
            first[JOINED[path]] += other[JOINED[path]]
        return replace(answers[0], body=json.dumps(first).encode())

    async def meant(self, path: str, name: str | None, scope: Message) -> Application:
        """Return the application that a request means, by its path and the model that it names.

        As among the models of one server: the only one for a task whatever the name, else the named one, or without a
        name the first. Raises: ApiError if there is none.
        """
        task = next((task for ending, task in _TASKS.items() if path.endswith(ending)), None)
        able = [each for each in self._known if each.can(task)] or [self._known[0]]
        if path.startswith(_RESPONSES):
            return await self._answering(able, path, scope) or able[0]
        if path.startswith(_MODELS):
            name = path.removeprefix(_MODELS)
        if name is None or len(able) == 1:
            return able[0]
        named = (each for each in able if name in each.models)
        found = next(named, None) or await self._answering(able, f"{_MODELS}{name}", scope)
        if found is None:
            raise _no_model(name, [model for each in able for model in each.models])
        return found

    async def _answering(self, able: Sequence[Application], path: str, scope: Message) -> Application | None:
        """Return the first that does not answer that there is nothing at this path."""
        for each in able:
            if (await asked(self._app, scope, f"{each.prefix}{path}")).status != 404:
                return each
        return None


def _no_model(name: str, known: Sequence[str]) -> ApiError:
    names = ", ".join(dict.fromkeys(map(repr, known)))
    return ApiError(404, f"there is no model {name[:100]!r}; served: {names}", param="model", code="model_not_found")
