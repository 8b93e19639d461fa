"""The descriptor: well formed, cheap to import, and honest about the machine and the folder."""

from __future__ import annotations

import importlib.metadata
import json
import re
from pathlib import Path

from jan_ort_backends import ABI, Accepts, Available, Backend, Capability, Declines, Missing
from jan_ort_backends.registry import GROUP
from jan_ort_backends.spelling import did_you_mean
from jan_ort_conformance.backend.check_tools.backend_check import check
from jan_ort_conformance.backend.check_tools.fixture import Fixture
from jan_ort_conformance.backend.isolation.child_process import ask_child
from jan_ort_conformance.backend.subject import Subject
from jan_ort_conformance.verdicts.verdict import Level, NotThere, expect

RUNTIMES = frozenset(
    {
        "ctranslate2",
        "jax",
        "llama_cpp",
        "mlx",
        "onnx",
        "onnxruntime",
        "onnxruntime_genai",
        "openvino",
        "paddle",
        "tensorflow",
        "tensorrt",
        "torch",
        "transformers",
        "triton",
        "vllm",
    }
)
"""Modules whose import costs a large part of a second, or takes a device."""

MAX_IMPORT_S = 0.5
IMPORT_LIMIT_S = 60.0

_IMPORT = """
import sys, json, os, time
import jan_ort_backends, numpy
answer, module = sys.argv[1:]
started = time.perf_counter()
__import__(module)
found = [time.perf_counter() - started, sorted({name.partition(".")[0] for name in sys.modules})]
with open(answer + ".part", "w", encoding="utf-8") as part:
    json.dump(found, part)
os.replace(answer + ".part", answer)
os._exit(0)
"""
"""Without a module of the kit: each would be among those that are there."""


@check("descriptor.well_formed")
def well_formed(fixture: Fixture) -> None:
    """The descriptor has a name, this interface's major version, known capabilities, and probe, accepts and open."""
    backend = fixture.subject.backend
    expect(
        isinstance(backend.name, str) and re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", backend.name), f"name {backend.name!r}"
    )
    _expect_abi(backend.abi)
    expect(isinstance(backend.capabilities, frozenset), f"capabilities is a {type(backend.capabilities).__name__}")
    unknown = sorted(str(flag) for flag in backend.capabilities if str(flag) not in set(Capability))
    expect(not unknown, f"unknown capabilities: {', '.join(unknown)}")
    expect({Capability.GENERATE, Capability.EMBED} & backend.capabilities, "it declares neither generate nor embed")
    for method in ("probe", "accepts", "open"):
        _expect_own(backend, method)


def _expect_abi(abi: object) -> None:
    expect(
        isinstance(abi, str) and re.fullmatch(r"\d+\.\d+", abi), f"abi is {abi!r}; it must be a text such as {ABI!r}"
    )
    expect(str(abi).split(".")[0] == ABI.split(".")[0], f"abi is {abi!r}, and the interface is {ABI}")


def _expect_own(backend: Backend, method: str) -> None:
    """Expect a method that the backend wrote itself; what ``accepts`` and ``open`` of the protocol do is nothing."""
    expect(callable(getattr(backend, method, None)), f"{method} is {getattr(backend, method, None)!r}, no method")
    if method != "probe" and getattr(type(backend), method, None) is getattr(Backend, method):
        names = [name for name in dir(backend) if not name.startswith("_") and name not in dir(Backend)]
        expect(False, f"it defines no {method}(){did_you_mean(method, names)}")


@check("descriptor.brings_models_it_opens", level=Level.FULL)
def brings_models_it_opens(fixture: Fixture) -> None:
    """Every folder in ``builtin_models`` exists and is accepted."""
    backend = fixture.subject.backend
    for name, folder in dict(backend.builtin_models).items():
        expect(isinstance(folder, Path) and folder.is_dir(), f"builtin model {name!r}: {folder!r} is not a folder")
        answer = backend.accepts(folder)
        expect(isinstance(answer, Accepts), f"builtin model {name!r} is not accepted: {answer}")


@check("descriptor.imports_no_runtime", level=Level.FULL)
def imports_no_runtime(fixture: Fixture) -> None:
    """Importing the descriptor's module imports no runtime; ``open`` does that."""
    _, modules = _imported(fixture.subject)
    found = sorted(RUNTIMES & modules)
    expect(not found, f"importing {_module(fixture.subject)} imports {', '.join(found)}")


@check("descriptor.imports_quickly", level=Level.STRICT)
def imports_quickly(fixture: Fixture) -> str:
    """Importing the descriptor's module takes no more than half a second beyond numpy's, at the best of three."""
    best_s = min(_imported(fixture.subject)[0] for _ in range(3))
    expect(best_s <= MAX_IMPORT_S, f"importing {_module(fixture.subject)} takes {best_s:.2f} s")
    return f"{1000 * best_s:.0f} ms"


@check("descriptor.probe_answers")
def probe_answers(fixture: Fixture) -> str:
    """``probe`` raises nothing, says why it cannot run where it cannot, and here it can."""
    answer = fixture.subject.backend.probe()
    expect(isinstance(answer, Available | Missing), f"probe returned {answer!r}, neither Available nor Missing")
    if isinstance(answer, Missing):
        expect(answer.reason and answer.remedy, f"probe gives no reason or no remedy: {answer}")
    expect(isinstance(answer, Available), f"the backend cannot run here, so nothing can be judged: {answer}")
    again = fixture.subject.backend.probe()
    # What it tells may differ, such as the memory that is free now.
    expect(type(again) is type(answer), f"asked again, probe returned {again!r} after {answer!r}")
    return str(getattr(answer, "detail", ""))


@check("descriptor.accepts_its_model")
def accepts_its_model(fixture: Fixture) -> None:
    """``accepts`` accepts the folder that ``open`` opens."""
    answer = fixture.subject.backend.accepts(fixture.subject.model_dir)
    expect(answer == Accepts(), f"accepts({fixture.subject.model_dir}) returned {answer!r}")


@check("descriptor.declines_other_folders")
def declines_other_folders(fixture: Fixture) -> None:
    """``accepts`` raises nothing for folders that are no models and declines each with a reason."""
    folder = fixture.empty_folder()
    (folder / "empty").mkdir()
    (folder / "file").touch()
    (folder / "garbage").mkdir()
    for name in ("config.json", "jan_ort.json", "tokenizer.json"):
        (folder / "garbage" / name).write_bytes(b"\xff\x00{not json")
    for name in ("empty", "absent", "file", "garbage"):
        answer = fixture.subject.backend.accepts(folder / name)
        expect(isinstance(answer, Declines), f"accepts of the {name} folder returned {answer!r}")
        expect(getattr(answer, "reason", "").strip(), f"accepts of the {name} folder declines without a reason")


def _module(subject: Subject) -> str:
    """Return the module that the registry would import. Raises: NotThere if only the object is known."""
    if ":" in subject.target:
        return subject.target.partition(":")[0]
    for point in importlib.metadata.entry_points(group=GROUP, name=subject.target):
        return point.module
    raise NotThere("the backend was given as an object, so that its import cannot be watched")


def _imported(subject: Subject) -> tuple[float, set[str]]:
    """Return the seconds that the import takes in a new process, and the top-level modules that are there then."""
    ended = ask_child(("-c", _IMPORT), (_module(subject),), IMPORT_LIMIT_S)
    expect(ended.answer is not None, f"importing {_module(subject)} alone failed: {ended.told}\n{ended.stderr[-500:]}")
    seconds, modules = json.loads(ended.answer or "")
    return seconds, set(modules)
