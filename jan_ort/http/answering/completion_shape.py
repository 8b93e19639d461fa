"""How a completion is answered: texts, with the prompt in front if it is to be echoed (hop 9)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jan_ort.engine.events import SequenceOutput, TokenLogprobs
from jan_ort.http.answering.answer import AnswerShape
from jan_ort.http.answering.echo import EchoedPrompt
from jan_ort.http.answering.json_answer import VALUE_CHARACTERS
from jan_ort.http.answering.logprobs import completion_logprobs
from jan_ort.http.answering.run import GenerationRun
from jan_ort.http.reading.completion import CompletionPlan

_OBJECT = "text_completion"


@dataclass(slots=True)
class _Choice:
    """What has come so far for one choice."""

    text: list[str] = field(default_factory=list)
    logprobs: list[TokenLogprobs] = field(default_factory=list)
    finish_reason: str | None = None

    def add(self, output: SequenceOutput) -> None:
        self.text.append(output.text)
        self.logprobs.extend(output.logprobs)
        self.finish_reason = output.finish_reason


class CompletionShape(AnswerShape):
    """Each prompt's choices, or the best of them."""

    def __init__(self, plan: CompletionPlan, run: GenerationRun) -> None:
        self._plan = plan
        self._run = run
        self._tokenizer = plan.model.tokenizer
        self._choices = [_Choice() for _ in range(len(plan.prompts) * plan.num_choices)]
        self._num_shown: dict[int, int] = {}  # how many log-probabilities of a choice are out
        self._echoes: dict[int, EchoedPrompt] = {}  # by prompt

    @property
    def is_complete(self) -> bool:
        """Never before each sequence has ended."""
        return False

    def weight(self, output: SequenceOutput) -> int:
        """Return about how many values the answer holds of an event; a choice's first one brings its echo."""
        own = self._run.weight(output)
        if self._plan.echoes is None or output.index in self._num_shown:
            return own
        echo = self._plan.echoes[output.index // self._plan.num_choices]
        return own + 2 * len(echo.token_ids) + len(echo.text or "") // VALUE_CHARACTERS

    def first_chunks(self) -> list[dict[str, Any]]:
        """Return nothing: the first piece of text begins the stream."""
        return []

    def take(self, output: SequenceOutput) -> list[dict[str, Any]]:
        """Take the next event of a choice and return its chunk, if there is anything to show."""
        if not self._plan.is_stream:
            self._choices[output.index].add(output)
            return []
        return [self._run.envelope(_OBJECT, [choice]) for choice in self._deltas(output)]

    def last_chunks(self) -> list[dict[str, Any]]:
        """Return the chunk with the usage, if it is wanted."""
        return self._run.usage_chunks(_OBJECT)

    def whole(self) -> dict[str, Any]:
        """Return the ``text_completion`` with the kept choices of each prompt."""
        step = self._plan.num_choices
        kept = [at for first in range(0, len(self._choices), step) for at in self._best(first)]
        choices = (self._choice(at) | {"index": index} for index, at in enumerate(kept))
        return self._run.envelope(_OBJECT, choices) | {"usage": self._run.usage}

    def _best(self, first: int) -> list[int]:
        """Return the indices of the kept choices of a prompt: those whose tokens are the likeliest on average."""
        indices = range(first, first + self._plan.num_choices)
        if self._plan.num_kept == self._plan.num_choices:
            return [*indices]
        return sorted(indices, key=lambda at: -self._mean_logprob(at))[: self._plan.num_kept]

    def _mean_logprob(self, index: int) -> float:
        shown_prompt = self._plan.echoes is not None and self._plan.with_logprobs
        num_prompt = len(self._echo(index).token_ids) - 1 if shown_prompt else 0
        own = self._choices[index].logprobs[num_prompt:]
        return sum(each.logprob for each in own) / len(own) if own else -math.inf

    def _choice(self, index: int) -> dict[str, Any]:
        choice = self._choices[index]
        text, logprobs = self._begin(index, "".join(choice.text) + self._plan.suffix, choice.logprobs)
        return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": choice.finish_reason}

    def _deltas(self, output: SequenceOutput) -> list[dict[str, Any]]:
        if self._plan.echoes is not None and output.index not in self._num_shown:
            text, logprobs = self._begin(output.index, output.text, output.logprobs)
        elif output.text or output.logprobs or output.is_last:
            text, logprobs = self._go_on(output)
        else:
            return []
        text += self._plan.suffix if output.is_last else ""
        return [{"text": text, "index": output.index, "logprobs": logprobs, "finish_reason": output.finish_reason}]

    def _begin(self, index: int, text: str, logprobs: Sequence[TokenLogprobs]) -> tuple[str, dict[str, Any] | None]:
        self._num_shown[index] = len(logprobs)
        if self._plan.echoes is None:
            return text, completion_logprobs(self._tokenizer, logprobs) if self._plan.with_logprobs else None
        echo = self._echo(index)
        if not self._plan.with_logprobs:
            return echo.text + text, None
        placed = echo.place(logprobs)
        return echo.text + text, completion_logprobs(self._tokenizer, placed, first_token_id=echo.token_ids[0])

    def _go_on(self, output: SequenceOutput) -> tuple[str, dict[str, Any] | None]:
        first = self._num_shown.get(output.index, 0)
        self._num_shown[output.index] = first + len(output.logprobs)
        if not (self._plan.with_logprobs and output.logprobs):
            return output.text, None
        placed: Sequence[TokenLogprobs] = output.logprobs
        if self._plan.echoes is not None:
            placed = self._echo(output.index).place(placed, first=first)
        return output.text, completion_logprobs(self._tokenizer, placed)

    def _echo(self, index: int) -> EchoedPrompt:
        assert self._plan.echoes is not None, "asked for only where prompts are echoed"
        at = index // self._plan.num_choices
        if at not in self._echoes:
            echo = self._plan.echoes[at]
            self._echoes[at] = EchoedPrompt.of(self._tokenizer, echo.token_ids, echo.text)
        return self._echoes[at]
