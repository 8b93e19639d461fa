"""Request fields to sampling parameters; whatever cannot be honoured is refused by name (hop 3)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from jan_ort.http.api_error import bad_request, context_overflow, short
from jan_ort.http.reading.other_names import ignores_eos, repeat_penalty, stop_token_ids, token_limit
from jan_ort.sampling.params import SamplingParams
from jan_ort.serving.generative import GenerativeModel
from jan_ort.settings.schema import Settings
from jan_ort_openapi.models import CreateChatCompletionRequest, CreateCompletionRequest

GenerationBody = CreateCompletionRequest | CreateChatCompletionRequest

MAX_CHOICES = 128
"""Choices of one prompt, as in OpenAI's API."""

MAX_SEQUENCES = 2048
"""Choices of all prompts of one request: each costs memory and a place in the queue from the start."""

MAX_STOP = 128
"""Stop strings of one request: a chat of many speakers ends at each one's name. Each is looked for at every token."""

MAX_STOP_CHARACTERS = 4096
"""Characters of a stop string: so much text may be held back, and is looked through at each token."""

MAX_ALL_STOP_CHARACTERS = 65_536
"""Characters of all stop strings."""

TO_THE_END = -1
"""A limit that is not yet known: :func:`fitted` says where the context ends."""

BIAS_CHARACTERS = 64
"""Characters, for each token that a request may shift, of all texts that say which: few tokens have as many."""

_BIASES = "(setting JAN_ORT_MAX_BIASES)"


def wants_usage(body: GenerationBody) -> bool:
    """Return whether a stream ends with its usage. Raises: ApiError 400 for stream options without a stream."""
    if body.stream_options is None:
        return False
    if not body.stream:
        raise bad_request("stream_options", "stream_options needs stream to be true; leave it out")
    return body.stream_options.include_usage is True


def num_choices(body: GenerationBody, *, num_prompts: int = 1) -> int:
    """Return how many choices each prompt gets. Raises: ApiError 400."""
    n = 1 if body.n is None else body.n
    if not 1 <= n <= MAX_CHOICES:
        raise bad_request("n", f"n must be between 1 and {MAX_CHOICES}, not {short(n)}")
    if n * num_prompts > MAX_SEQUENCES:
        message = f"{num_prompts} prompts with {n} choices each are more than the {MAX_SEQUENCES} choices allowed"
        raise bad_request("n", f"{message}; lower n or send fewer prompts")
    return n


def num_candidates(body: CreateCompletionRequest, n: int, *, num_prompts: int) -> int:
    """Return how many choices each prompt's n are the best of. Raises: ApiError 400."""
    is_given = "best_of" in body.model_fields_set and body.best_of is not None
    best_of = n if not is_given or body.best_of is None else body.best_of
    if not n <= best_of <= MAX_CHOICES:
        message = f"best_of must be between n, which is {n}, and {MAX_CHOICES}, not {short(best_of)}"
        raise bad_request("best_of", message)
    if best_of * num_prompts > MAX_SEQUENCES:
        message = f"{num_prompts} prompts with best_of {best_of} are more than the {MAX_SEQUENCES} choices allowed"
        raise bad_request("best_of", f"{message}; lower best_of or send fewer prompts")
    if body.stream and best_of > n:
        message = (
            f"best_of is {best_of} and n is {n}; in a stream they must be equal, as the best are known only at the end"
        )
        raise bad_request("best_of", message)
    return best_of


def stop_strings(stop: str | list[str] | None) -> tuple[str, ...]:
    """Return the stop strings; an empty one is none, as in llama.cpp. Raises: ApiError 400."""
    strings = tuple(each for each in ([stop] if isinstance(stop, str) else stop or ()) if each)
    if len(strings) > MAX_STOP:
        raise bad_request("stop", f"there are {len(strings)} stop strings; at most {MAX_STOP} are allowed")
    longest = max(map(len, strings), default=0)
    if longest > MAX_STOP_CHARACTERS:
        message = f"a stop string has {longest} characters; at most {MAX_STOP_CHARACTERS} are allowed"
        raise bad_request("stop", message)
    if (num_characters := sum(map(len, strings))) > MAX_ALL_STOP_CHARACTERS:
        message = f"the stop strings have {num_characters} characters; at most {MAX_ALL_STOP_CHARACTERS} are allowed"
        raise bad_request("stop", message)
    return strings


async def logit_bias(body: GenerationBody, model: GenerativeModel, most: int) -> tuple[tuple[int, float], ...]:
    """Return what is added to which token's logit. Raises: ApiError 400 for a key that is no token of the model."""
    given = body.logit_bias if isinstance(body.logit_bias, dict) else {}
    if len(given) > most:
        raise bad_request("logit_bias", f"logit_bias has {len(given)} entries; at most {most} are allowed {_BIASES}")
    if body.logit_bias_type == "tokens":
        meant = await _tokens_of_texts(given, model, most * BIAS_CHARACTERS)
    else:
        meant = [[_token_of_key(key, model.vocab_size)] for key in given]
    biases: dict[int, float] = {}
    for token_ids, bias in zip(meant, given.values(), strict=True):
        for token_id in token_ids:
            biases[token_id] = biases.get(token_id, 0.0) + bias
    if len(biases) > most:
        raise bad_request("logit_bias", f"logit_bias shifts {len(biases)} tokens; at most {most} are allowed {_BIASES}")
    return tuple(biases.items())


async def _tokens_of_texts(texts: Collection[str], model: GenerativeModel, most: int) -> list[list[int]]:
    num_characters = sum(map(len, texts))
    if num_characters > most:
        message = f"the texts of logit_bias have {num_characters} characters; at most {most} are allowed {_BIASES}"
        raise bad_request("logit_bias", message)
    token_ids = [each.tolist() for each in await model.encode_parts(list(texts))]
    for text, of_text in zip(texts, token_ids, strict=True):
        if not of_text:
            raise bad_request("logit_bias", f"logit_bias: the text {text[:40]!r} holds no token; leave it out")
    return token_ids


def _token_of_key(key: str, vocab_size: int) -> int:
    if not (key.isascii() and key.isdecimal() and len(key) < 20):
        message = f"logit_bias: the key {key[:40]!r} is not a token id; for texts set logit_bias_type to 'tokens'"
        raise bad_request("logit_bias", message)
    if int(key) >= vocab_size:
        raise bad_request("logit_bias", f"logit_bias: the model's token ids go from 0 to {vocab_size - 1}, not {key}")
    return int(key)


async def sampling_params(body: GenerationBody, model: GenerativeModel, settings: Settings) -> SamplingParams:
    """Return how to sample, whatever the prompt is: :func:`fitted` says where it ends at the latest.

    Raises: ApiError 400.
    """
    if body.temperature < 0:
        raise bad_request("temperature", f"temperature must be 0 or more, not {body.temperature}")
    max_tokens = token_limit(body)
    logprobs = _num_logprobs(body, settings.max_logprobs)
    return SamplingParams(
        max_tokens=TO_THE_END if max_tokens is None else max_tokens,
        min_tokens=body.min_tokens,
        temperature=body.temperature,
        top_k=min(max(body.top_k, 0), model.vocab_size),  # -1 is off, too, as in vLLM
        top_p=body.top_p,
        min_p=body.min_p,
        repeat_penalty=repeat_penalty(body),
        presence_penalty=body.presence_penalty or 0.0,
        frequency_penalty=body.frequency_penalty or 0.0,
        mirostat_mode=body.mirostat_mode,
        mirostat_tau=body.mirostat_tau,
        mirostat_eta=body.mirostat_eta,
        seed=None if body.seed == -1 else body.seed,
        stop=stop_strings(body.stop),
        logprobs=None if logprobs is None else min(logprobs, model.vocab_size),
        logit_bias=await logit_bias(body, model, settings.max_biases),
        stop_token_ids=stop_token_ids(body, model.vocab_size, MAX_STOP),
        ignores_eos=ignores_eos(body),
    )


def fitted(
    params: SamplingParams, num_prompt: int, context_length: int, *, param: str, is_strict: bool
) -> SamplingParams:
    """Return the same after a prompt of ``num_prompt`` tokens, with no more to generate than the context leaves.

    Raises: ApiError 400 for a prompt that leaves nothing; if ``is_strict``, for any limit that does not fit.
    """
    room = context_length - num_prompt
    needed = max(1, params.max_tokens)
    if room < (needed if is_strict else 1):
        raise context_overflow(param, num_prompt, needed, context_length)
    return params if 0 <= params.max_tokens <= room else replace(params, max_tokens=room)


def num_alternatives(body: CreateCompletionRequest) -> int | None:
    """Return how many alternatives a completion's tokens are to be given with, None for no log-probabilities at all."""
    return None if body.logprobs is False else body.logprobs


def _num_logprobs(body: GenerationBody, limit: int) -> int | None:
    """Return how many alternatives each token is to be given with, None for no log-probabilities at all."""
    if isinstance(body, CreateCompletionRequest):
        param, wanted = "logprobs", num_alternatives(body)
    elif not body.logprobs:
        if body.top_logprobs:  # none wanted is nothing asked
            raise bad_request("top_logprobs", "top_logprobs needs logprobs to be true")
        return None
    else:
        param, wanted = "top_logprobs", body.top_logprobs or 0
    if wanted is not None and wanted > limit:
        raise bad_request(
            param, f"{param} is {short(wanted)}; at most {limit} are allowed (setting JAN_ORT_MAX_LOGPROBS)"
        )
    return wanted
