"""lm-evaluation-harness: whole runs of local tasks, one scored by log-probabilities of prompts, one that generates."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from typing import Any

import pytest

from jan_ort_backends.reference_tokenizer import FOLDER
from tests.clients.direct import KEY, REFERENCE, ask
from tests.e2e.server_process import ServerProcess, environment

if importlib.util.find_spec("lm_eval") is None:
    pytest.skip("lm_eval is not installed; run tox -e client-lm-eval", allow_module_level=True)

QUESTIONS: list[dict[str, Any]] = [
    {"question": "The sky is", "choices": ["blue", "one and one"], "answer": 0},
    {"question": "Fire is", "choices": ["hot", "seventeen"], "answer": 0},
    {"question": "One and one is", "choices": ["green", "two"], "answer": 1},
]
TASK = """\
task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {file}
test_split: test
doc_to_text: "{{{{question}}}}"
"""
CHOOSES = (
    'output_type: multiple_choice\ndoc_to_choice: "{{choices}}"\ndoc_to_target: answer\nmetric_list:\n  - metric: acc\n'
)
GENERATES = (
    'output_type: generate_until\ndoc_to_target: "{{choices[0]}}"\ngeneration_kwargs:\n'
    '  until: ["xyz"]\n  max_gen_toks: 8\nmetric_list:\n  - metric: exact_match\n'
)


@pytest.fixture(scope="module")
def samples(reference: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Run both tasks by the harness's command; return what it got for each question, by task."""
    work = tmp_path_factory.mktemp("lm_eval")
    file = work / "questions.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in QUESTIONS))
    for name, rest in (("chooses", CHOOSES), ("generates", GENERATES)):
        (work / f"{name}.yaml").write_text(TASK.format(name=name, file=file.as_posix()) + rest)
    arguments = (
        f"model={REFERENCE},base_url={reference.url}/v1/completions,tokenizer_backend=huggingface,tokenizer={FOLDER}"
    )
    command = [sys.executable, "-m", "lm_eval", "--model", "local-completions", "--model_args", arguments]
    command += [
        "--tasks",
        "chooses,generates",
        "--include_path",
        str(work),
        "--log_samples",
        "--output_path",
        str(work),
    ]
    variables = {
        "OPENAI_API_KEY": KEY,
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(work / "hf"),
        "TOKENIZERS_PARALLELISM": "false",
    }
    done = subprocess.run(command, cwd=work, env=environment(**variables), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return {
        name: [json.loads(line) for line in next(work.rglob(f"samples_{name}_*.jsonl")).read_text().splitlines()]
        for name in ("chooses", "generates")
    }


def test_each_choice_is_scored_as_the_server_scores_it(samples: dict[str, list[Any]], reference: ServerProcess) -> None:
    for sample in samples["chooses"]:
        doc = sample["doc"]
        for (given,), choice in zip(sample["resps"], doc["choices"], strict=True):
            text = f"{doc['question']} {choice}"
            scored = ask(reference, "completions", prompt=text, echo=True, max_tokens=0, logprobs=1)
            logprobs = scored["choices"][0]["logprobs"]
            start = len(doc["question"])
            own = [
                value
                for value, offset in zip(logprobs["token_logprobs"], logprobs["text_offset"], strict=True)
                if offset >= start and value is not None
            ]
            assert float(given[0]) == pytest.approx(sum(own), abs=1e-3)


def test_each_question_is_continued_as_the_server_continues_it(
    samples: dict[str, list[Any]], reference: ServerProcess
) -> None:
    for sample in samples["generates"]:
        answer = ask(reference, "completions", prompt=sample["doc"]["question"], max_tokens=8, temperature=0, seed=1234)
        assert sample["resps"] == [[answer["choices"][0]["text"]]]
