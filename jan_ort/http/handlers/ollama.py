"""Ollama's API: POST /api/chat, generate, embed, embeddings and show; GET /api/tags, ps and version."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
from quart import Response, jsonify

from jan_ort._version import __version__
from jan_ort.ground.task import EMBED, GENERATE
from jan_ort.http.answering.answer import answer
from jan_ort.http.answering.chat_reader import ChatReader
from jan_ort.http.answering.json_answer import json_answer
from jan_ort.http.answering.run import GenerationRun
from jan_ort.http.connection import at_end, borrow
from jan_ort.http.handlers.embeddings import Embedded, embedded
from jan_ort.http.ollama.chat_fields import fields_of_chat, fields_of_prompt, fields_of_text
from jan_ort.http.ollama.description import listed, loaded, shown
from jan_ort.http.ollama.keeping import leaving, meant_model, unload_soon
from jan_ort.http.ollama.options import chat_options
from jan_ort.http.ollama.shape import OllamaShape, Said, TextReader, as_message, as_response
from jan_ort.http.ollama.wire import HEADERS, line, timestamp
from jan_ort.http.reading.as_chat import read_as_chat
from jan_ort.http.reading.completion import read_completion
from jan_ort.http.reading.other_names import refuse_what_is_not_honoured
from jan_ort.http.reading.own_names import OwnNames
from jan_ort.serving.embedding import EMBEDDING
from jan_ort.serving.generative import GENERATING, GenerativeModel
from jan_ort.serving.lease import Lease
from jan_ort.serving.resident import Resident
from jan_ort.serving.server import Server
from jan_ort_openapi import validated
from jan_ort_openapi.models import (
    CreateCompletionRequest,
    CreateEmbeddingRequest,
    OllamaChatRequest,
    OllamaEmbeddingsRequest,
    OllamaEmbedRequest,
    OllamaGenerateRequest,
    OllamaShowRequest,
)

VERSION = "0.12.6"
"""The version of Ollama whose API this is: some of its clients refuse older ones."""

Asked = OllamaChatRequest | OllamaGenerateRequest


async def chat(server: Server, body: OllamaChatRequest) -> Response:
    """Answer a conversation; one without messages only loads the model, or unloads it."""
    refuse_what_is_not_honoured(body)
    leaver = leaving(server, GENERATE, meant_model(body.model), body.keep_alive)
    if not body.messages:
        return await _only_loaded(server, body, leaver, as_message)
    lease, load_s = await _borrowed(server, body, leaver)
    plan = await read_as_chat(partial(fields_of_chat, body, lease.model), lease.model, server.settings)
    run = GenerationRun(plan, "ollama-", lease.release)
    return await answer(run, OllamaShape(run, ChatReader(plan), as_message, load_s))


async def generate(server: Server, body: OllamaGenerateRequest) -> Response:
    """Answer a prompt, or continue a text; without a prompt only load the model, or unload it."""
    refuse_what_is_not_honoured(body)
    leaver = leaving(server, GENERATE, meant_model(body.model), body.keep_alive)
    if not body.prompt and not body.suffix:
        return await _only_loaded(server, body, leaver, as_response)
    lease, load_s = await _borrowed(server, body, leaver)
    if body.raw or body.suffix:
        return await _continued(server, body, lease, load_s)
    plan = await read_as_chat(partial(fields_of_prompt, body, lease.model), lease.model, server.settings)
    run = GenerationRun(plan, "ollama-", lease.release)
    return await answer(run, OllamaShape(run, ChatReader(plan), as_response, load_s))


async def _continued(
    server: Server, body: OllamaGenerateRequest, lease: Lease[GenerativeModel], load_s: float
) -> Response:
    fields, names = fields_of_text(body, lease.model)
    with names.telling():
        asked = validated(CreateCompletionRequest, fields)
        plan = await read_completion(asked, lease.model, server.settings)
    run = GenerationRun(plan, "ollama-", lease.release)
    return await answer(run, OllamaShape(run, TextReader(), as_response, load_s))


async def _borrowed(server: Server, body: Asked, leaver: Resident | None) -> tuple[Lease[GenerativeModel], float]:
    """Return the model with the seconds until it was there; ``leaver`` goes after the answer."""
    if leaver is not None:
        at_end(partial(unload_soon, leaver))
    started = time.perf_counter()
    lease = await borrow(server.lend(GENERATING, meant_model(body.model)))
    return lease, time.perf_counter() - started


async def _only_loaded(server: Server, body: Asked, leaver: Resident | None, said: Said) -> Response:
    if leaver is None:
        with await server.lend(GENERATING, meant_model(body.model)) as model:
            name = model.name
    else:
        await leaver.unload()
        name = leaver.name
    reason = "load" if leaver is None else "unload"
    told = {"model": name, "created_at": timestamp()} | said("", "", []) | {"done": True, "done_reason": reason}
    return Response(line(told), headers=HEADERS) if body.stream else jsonify(told)


async def embed(server: Server, body: OllamaEmbedRequest) -> Response:
    """Answer with the embedding of each text."""
    started = time.perf_counter()
    fields = {"input": body.input, "dimensions": body.dimensions}
    model, vectors, num_tokens = await _embedded(server, body, fields, is_cut=body.truncate is not False)
    told = {
        "model": model,
        "total_duration": int((time.perf_counter() - started) * 1e9),
        "load_duration": 0,
        "prompt_eval_count": num_tokens,
    }
    return await json_answer(lambda: {**told, "embeddings": (each.tolist() for each in vectors)}, weight=vectors.size)


async def embeddings(server: Server, body: OllamaEmbeddingsRequest) -> Response:
    """Answer with the embedding of a text."""
    with OwnNames({"input": "prompt"}).telling():
        _, vectors, _ = await _embedded(server, body, {"input": body.prompt})
    return await json_answer(lambda: {"embedding": vectors.ravel().tolist()}, weight=vectors.size)


async def _embedded(
    server: Server,
    body: OllamaEmbedRequest | OllamaEmbeddingsRequest,
    fields: dict[str, Any],
    *,
    is_cut: bool = False,
) -> Embedded:
    """Return the vectors; of no text none, for then the model is only loaded, or unloaded. Raises: ApiError 400."""
    refuse_what_is_not_honoured(body)
    leaver = leaving(server, EMBED, meant_model(body.model), body.keep_alive)
    with await server.lend(EMBEDDING, meant_model(body.model)) as model:
        chat_options(body.options, model.context_length)
        found = Embedded(model.name, np.empty((0, 0), np.float32), 0)
    if fields["input"]:
        asked = validated(CreateEmbeddingRequest, fields | {"model": meant_model(body.model)})
        found = await embedded(server, asked, is_cut=is_cut)
    if leaver is not None:
        await unload_soon(leaver)
    return found


async def show(server: Server, body: OllamaShowRequest) -> Response:
    """Answer with what is known of a model."""
    return jsonify(shown(server.roster.named(meant_model(body.model or body.name))))


async def tags(server: Server) -> Response:
    """Answer with the models that are served."""
    return jsonify({"models": [listed(residents[0]) for residents in server.roster.by_name().values()]})


async def ps(server: Server) -> Response:
    """Answer with the models that are loaded."""
    grouped = server.roster.by_name().values()
    present = [[each for each in residents if each.model is not None] for residents in grouped]
    return jsonify({"models": [loaded(residents[0], server.settings) for residents in present if residents]})


async def version(server: Server) -> Response:
    """Answer with the version of the API, which clients look at, and this server's own."""
    return jsonify({"version": VERSION, "server": f"jan-ort {__version__}"})
