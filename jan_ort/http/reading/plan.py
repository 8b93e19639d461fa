"""What a request asks of a model, as one frozen value: the end of hop 3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jan_ort.sampling.params import SamplingParams
from jan_ort.serving.generative import GenerativeModel
from jan_ort_backends import EmbeddedRun

if TYPE_CHECKING:
    from jan_ort.structured.compiler import CompiledGrammar
    from jan_ort.structured.prefaced import PrefacedGrammar


@dataclass(frozen=True, kw_only=True)
class GenerationPlan:
    """A request that is read and checked: whatever fails from here on is no mistake of the client's.

    ``prompts`` are int64 ``(n,)``, with ``params`` for each. Each prompt gets ``num_choices`` choices; a choice's index
    is prompt x num_choices + choice. ``grammar`` is what every choice must follow. ``shown_token_ids`` are special
    tokens whose text the answer needs. ``is_piecewise`` wants each token's event although nothing is streamed: the
    answer may be complete before the model thinks so. ``embedded`` are the runs of the images in each prompt, of which
    there is one then (``engine/embedded.py``).
    """

    model: GenerativeModel
    prompts: tuple[NDArray[np.int64], ...]
    params: tuple[SamplingParams, ...]
    num_choices: int
    grammar: CompiledGrammar | PrefacedGrammar | None
    is_stream: bool
    with_usage: bool
    with_logprobs: bool
    user: str | None
    prompt_logprobs: bool = False
    shown_token_ids: frozenset[int] = frozenset()
    is_piecewise: bool = False
    embedded: Mapping[int, EmbeddedRun] = field(default_factory=dict)
