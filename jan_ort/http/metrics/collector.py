"""A server's state as metric families, gathered when it is asked for: nothing is done for them between two scrapes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from jan_ort._version import __version__
from jan_ort.engine.engine import Engine
from jan_ort.engine.statistics import Distribution
from jan_ort.http.metrics.answered import Answered
from jan_ort.serving.generative import GenerativeModel
from jan_ort.serving.server import Server

_MODEL = ("model_name",)


def registry_of(server: Server, answered: Answered) -> CollectorRegistry:
    """Return a registry of one server and its process."""
    registry = CollectorRegistry()
    for each in (ServerCollector(server, answered), PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
        registry.register(each)
    return registry


class ServerCollector(Collector):
    """Collects what a server's models and its answers are. May be asked in any thread."""

    def __init__(self, server: Server, answered: Answered) -> None:
        self._server = server
        self._answered = answered

    def collect(self) -> Iterator[Metric]:
        """Yield every family; those of models have a sample for each that is loaded."""
        yield InfoMetricFamily("jan_ort", "Which release serves.", {"version": __version__})
        yield from self._server_families()
        engines = {model.name: model.engine for model in self._generative_models()}
        yield from _load_families(engines)
        yield from _count_families(engines)
        yield from _prompt_cache_families(engines)
        yield from _time_families(engines)

    def _generative_models(self) -> Iterator[GenerativeModel]:
        for resident in self._server.roster.residents:
            if isinstance(model := resident.model, GenerativeModel):
                yield model

    def _server_families(self) -> Iterator[Metric]:
        loaded = GaugeMetricFamily(
            "jan_ort_model_loaded", "Whether a model is in memory.", labels=("model_name", "task")
        )
        for resident in self._server.roster.residents:
            loaded.add_metric((resident.name, resident.choice.task.name), float(resident.model is not None))
        yield loaded
        answered = CounterMetricFamily(
            "jan_ort_http_requests", "Requests whose answer has begun.", labels=("method", "path", "status")
        )
        for (method, path, status), number in list(self._answered.items()):
            answered.add_metric((method, path, str(status)), number)
        yield answered


def _load_families(engines: dict[str, Engine]) -> Iterable[Metric]:
    running = GaugeMetricFamily("vllm:num_requests_running", "Sequences that are computed.", labels=_MODEL)
    waiting = GaugeMetricFamily("vllm:num_requests_waiting", "Sequences that wait for a slot.", labels=_MODEL)
    usage = GaugeMetricFamily(
        "vllm:kv_cache_usage_perc", "Share of the KV cache that running sequences fill; 1 is all.", labels=_MODEL
    )
    slots = GaugeMetricFamily("jan_ort_slots", "Sequences that can be processed in parallel.", labels=_MODEL)
    for name, engine in engines.items():
        load = engine.load
        running.add_metric((name,), load.num_running)
        waiting.add_metric((name,), load.num_waiting)
        usage.add_metric((name,), load.cache_usage)
        slots.add_metric((name,), load.num_slots)
    return running, waiting, usage, slots


def _count_families(engines: dict[str, Engine]) -> Iterable[Metric]:
    prompts = CounterMetricFamily("vllm:prompt_tokens", "Tokens of prompts, cached ones included.", labels=_MODEL)
    generated = CounterMetricFamily("vllm:generation_tokens", "Generated tokens.", labels=_MODEL)
    queries = CounterMetricFamily("vllm:prefix_cache_queries", "Tokens looked up in the prefix cache.", labels=_MODEL)
    hits = CounterMetricFamily("vllm:prefix_cache_hits", "Tokens found in the prefix cache.", labels=_MODEL)
    aside = CounterMetricFamily(
        "jan_ort_sequences_set_aside",
        "How often a sequence gave its slot to another request for a while.",
        labels=_MODEL,
    )
    drafts = CounterMetricFamily("vllm:spec_decode_num_drafts", "Drafts that were computed.", labels=_MODEL)
    drafted = CounterMetricFamily("vllm:spec_decode_num_draft_tokens", "Tokens of drafts.", labels=_MODEL)
    accepted = CounterMetricFamily(
        "vllm:spec_decode_num_accepted_tokens", "Tokens of drafts that were taken.", labels=_MODEL
    )
    accepted_at = CounterMetricFamily(
        "vllm:spec_decode_num_accepted_tokens_per_pos",
        "Tokens of drafts that were taken, by their places in these.",
        labels=(*_MODEL, "position"),
    )
    ended = CounterMetricFamily(
        "vllm:request_success", "Sequences that have ended, by what ended them.", labels=(*_MODEL, "finished_reason")
    )
    for name, engine in engines.items():
        counts = engine.statistics
        prompts.add_metric((name,), counts.num_prompt_tokens)
        generated.add_metric((name,), counts.num_generated_tokens)
        queries.add_metric((name,), counts.num_prompt_tokens)
        hits.add_metric((name,), counts.num_cached_tokens)
        aside.add_metric((name,), counts.num_set_aside)
        for reason, number in list(counts.num_ended.items()):
            ended.add_metric((name, reason), number)
        drafts.add_metric((name,), counts.num_drafts)
        drafted.add_metric((name,), counts.num_draft_tokens)
        places = list(counts.num_accepted_at.items())
        accepted.add_metric((name,), sum(number for _, number in places))
        for place, number in places:
            accepted_at.add_metric((name, str(place)), number)
    return prompts, generated, queries, hits, aside, ended, drafts, drafted, accepted, accepted_at


def _prompt_cache_families(engines: dict[str, Engine]) -> Iterable[Metric]:
    queries = CounterMetricFamily(
        "jan_ort_prompt_cache_queries", "Tokens looked up beyond those found in slots.", labels=_MODEL
    )
    hits = CounterMetricFamily("jan_ort_prompt_cache_hits", "Tokens found beyond those in slots.", labels=_MODEL)
    taken = GaugeMetricFamily(
        "jan_ort_prompt_cache_bytes", "What cached prompts take outside of slots.", labels=(*_MODEL, "where")
    )
    for name, engine in engines.items():
        pool = engine.pool
        queries.add_metric((name,), pool.num_queries)
        hits.add_metric((name,), pool.num_hits)
        taken.add_metric((name, "memory"), pool.num_bytes)
        taken.add_metric((name, "disk"), pool.num_stored_bytes)
    return queries, hits, taken


def _time_families(engines: dict[str, Engine]) -> Iterator[Metric]:
    yield _histogram(
        "vllm:time_to_first_token_seconds",
        "From a request's submission to its first token.",
        {name: engine.statistics.first_token_s for name, engine in engines.items()},
    )
    yield _histogram(
        "vllm:inter_token_latency_seconds",
        "Between two tokens of a sequence.",
        {name: engine.statistics.between_tokens_s for name, engine in engines.items()},
    )
    yield _histogram(
        "vllm:e2e_request_latency_seconds",
        "From a request's submission to the end of a sequence, unless its client has gone.",
        {name: engine.statistics.whole_s for name, engine in engines.items()},
    )


def _histogram(name: str, says: str, found: dict[str, Distribution]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, says, labels=_MODEL)
    for model, each in found.items():
        buckets = [(_bound(bound), float(number)) for bound, number in each.cumulated()]
        family.add_metric((model,), buckets, each.total)
    return family


def _bound(value: float) -> str:
    return "+Inf" if value == float("inf") else str(value)
