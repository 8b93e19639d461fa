"""Which files of a repository are fetched, by their names."""

from __future__ import annotations

import pytest

from jan_ort.ground.model_errors import FetchError
from jan_ort.ground.task import EMBED, GENERATE, RERANK, Task
from jan_ort.models.sources.hub_files import HubId, Selection, select_files

GGUFS = ["m.Q2_K.gguf", "m.Q4_0.gguf", "sub/m-f16.gguf", "m.Q8_0.gguf", "config.json"]
ONNX = ["config.json", "onnx/model.onnx", "onnx/model.onnx_data", "onnx/model_q4.onnx", "tokenizer.json", "x.bin"]
TRIO = ["onnx/vision_encoder_q4.onnx", "onnx/vision_encoder_fp16.onnx", "onnx/embed_tokens.onnx"]
TRIO += ["onnx/embed_tokens.onnx_data", "onnx/decoder_model_merged_q4.onnx", "config.json", "preprocessor_config.json"]
TRIO += ["tokenizer.json"]
EMBEDDER = ["1_Pooling/config.json", "model.safetensors", "modules.json", "onnx/model.onnx", "pytorch_model.bin"]


@pytest.mark.parametrize(
    ("names", "reference", "task", "expected"),
    [
        (GGUFS, HubId("o/m"), GENERATE, Selection("gguf", ("m.Q8_0.gguf",))),
        (GGUFS, HubId("o/m", quantization="f16"), GENERATE, Selection("gguf", ("sub/m-f16.gguf",))),
        (GGUFS, HubId("o/m", file="sub/m-f16.gguf"), GENERATE, Selection("gguf", ("sub/m-f16.gguf",))),
        (GGUFS, HubId("o/m", quantization="f16"), EMBED, Selection("gguf", ("sub/m-f16.gguf",))),
        (
            ONNX,
            HubId("o/m"),
            GENERATE,
            Selection("onnx", ("config.json", "tokenizer.json", "onnx/model.onnx", "onnx/model.onnx_data")),
        ),
        (
            [*TRIO, "model.safetensors"],
            HubId("o/m"),
            GENERATE,
            Selection(
                "onnx",
                (
                    "config.json",
                    "preprocessor_config.json",
                    "tokenizer.json",
                    "onnx/vision_encoder_q4.onnx",
                    "onnx/embed_tokens.onnx",
                    "onnx/embed_tokens.onnx_data",
                    "onnx/decoder_model_merged_q4.onnx",
                ),
            ),
        ),
        (
            ["additional_chat_templates/tool_use.jinja", "model.onnx", "sub/config.json"],
            HubId("o/m"),
            GENERATE,
            Selection("onnx", ("additional_chat_templates/tool_use.jinja", "model.onnx")),
        ),
        (
            EMBEDDER,
            HubId("o/m"),
            EMBED,
            Selection("sentence-transformers", ("1_Pooling/config.json", "modules.json", "model.safetensors")),
        ),
        (
            ["2_Dense/config.json", "2_Dense/model.safetensors", "2_Dense/pytorch_model.bin", *EMBEDDER[:3]],
            HubId("o/m"),
            EMBED,
            Selection(
                "sentence-transformers",
                (
                    "1_Pooling/config.json",
                    "modules.json",
                    "2_Dense/config.json",
                    "2_Dense/model.safetensors",
                    "model.safetensors",
                ),
            ),
        ),
    ],
)
def test_what_a_model_needs_is_chosen_from_the_files(
    names: list[str], reference: HubId, task: Task, expected: Selection
) -> None:
    assert select_files(names, reference, task) == expected


@pytest.mark.parametrize(
    ("model_type", "kind", "weights"),
    [("bert", "sentence-transformers", "model.safetensors"), ("albert", "onnx", "onnx/model.onnx")],
)
def test_an_embedder_that_cannot_be_converted_is_taken_as_onnx(model_type: str, kind: str, weights: str) -> None:
    selection = select_files(EMBEDDER, HubId("o/m"), EMBED, model_type)

    assert (selection.kind, selection.files[-1]) == (kind, weights)


def test_a_decoder_that_answers_is_taken_to_rank_and_a_named_gguf_file_too() -> None:
    selection = select_files(["config.json", "model.safetensors"], HubId("o/Qwen3-Reranker"), RERANK, "qwen3")

    assert selection == Selection("sentence-transformers", ("config.json", "model.safetensors"))
    assert select_files(GGUFS, HubId("o/m", quantization="f16"), RERANK).files == ("sub/m-f16.gguf",)


PACKAGE = ("config.json", "genai_config.json", "phi3-int4.onnx", "phi3-int4.onnx.data", "tokenizer.json")
PACKAGES = [f"{folder}/{name}" for folder in ("gpu/int4", "cpu_and_mobile/cpu-int4", "gpu/fp16") for name in PACKAGE]
REPOSITORY = ["README.md", "config.json", "cpu_and_mobile/cpu-int4/configuration_phi3.py", *PACKAGES]


@pytest.mark.parametrize(
    ("names", "folder", "taken"),
    [
        (REPOSITORY, None, "cpu_and_mobile/cpu-int4"),
        (REPOSITORY, "cpu_and_mobile", "cpu_and_mobile/cpu-int4"),
        (REPOSITORY, "gpu/fp16", "gpu/fp16"),
        ([name for name in PACKAGES if "gpu/fp16" in name], None, "gpu/fp16"),
        ([*PACKAGES, "onnx/model.onnx"], "gpu/int4", "gpu/int4"),
    ],
)
def test_of_several_packages_the_named_one_is_taken_or_that_for_cpus(
    names: list[str], folder: str | None, taken: str
) -> None:
    selection = select_files(names, HubId("o/m", folder=folder), GENERATE)

    assert selection == Selection("onnx", tuple(f"{taken}/{name}" for name in PACKAGE), taken)


def test_a_package_in_the_repositorys_own_folder_is_taken_under_any_name() -> None:
    assert select_files(["README.md", *PACKAGE], HubId("o/m"), GENERATE) == Selection("onnx", PACKAGE)


@pytest.mark.parametrize("name", ["onnx/model_q4.onnx", "onnx/decoder_model_merged.onnx", "model_quantized.onnx"])
def test_a_repository_with_a_variant_only_is_taken(name: str) -> None:
    names = ["config.json", name, f"{name}_data"]

    assert select_files(names, HubId("o/m"), GENERATE).files == tuple(names)


@pytest.mark.parametrize(
    ("names", "reference", "message"),
    [
        (GGUFS, HubId("o/m", file="absent.gguf"), r"o/m/absent.gguf: no such file; .* m.Q4_0.gguf"),
        (GGUFS, HubId("o/m", quantization="Q5_K"), r"o/m:Q5_K: no GGUF file of the type Q5_K; .* m.Q2_K.gguf"),
        (["m.Q2_K.gguf"], HubId("o/m"), "no GGUF file of the type Q8_0 or Q6_K or"),
        (ONNX, HubId("o/m", quantization="Q8_0"), "has no GGUF file that can be used to generate"),
        (["../../m.Q8_0.gguf"], HubId("o/m"), "has no model that can be used to generate"),
        (
            [name for name in PACKAGES if "cpu" not in name],
            HubId("o/m"),
            "hf.co/o/m/tree/main/FOLDER with one of gpu/int4, gpu/fp16",
        ),
        (PACKAGES, HubId("o/m", folder="gpu"), "several devices"),
        (["/etc/genai_config.json", "/etc/model.onnx"], HubId("o/m"), "has no model that can be used to generate"),
        (["README.md"], HubId("o/m"), "it needs a .gguf file, a model.onnx or"),
        (
            ["m-Q8_0-00001-of-00003.gguf", "m-Q8_0-00003-of-00003.gguf"],
            HubId("o/m"),
            "lacks m-Q8_0-00002-of-00003.gguf, one of 3 parts",
        ),
        (
            ["tokenizer.json", "model-00001-of-00002.safetensors"],
            HubId("o/m"),
            "lacks model-00002-of-00002.safetensors, one of 2 parts",
        ),
    ],
)
def test_a_repository_without_what_is_needed_says_what_it_has(names: list[str], reference: HubId, message: str) -> None:
    with pytest.raises(FetchError, match=message):
        select_files(names, reference, GENERATE)


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ("onnx/embed_tokens.onnx", "o/m reads images, but there is no onnx/embed_tokens.onnx, nor a variant of it"),
        ("onnx/decoder_model_merged_q4.onnx", "there is no onnx/decoder_model_merged.onnx"),
        ("preprocessor_config.json", "has no preprocessor_config.json"),
        ("tokenizer.json", "has no tokenizer.json"),
    ],
)
def test_what_a_model_that_reads_images_lacks_is_named(gone: str, told: str) -> None:
    with pytest.raises(FetchError, match=told):
        select_files([name for name in TRIO if name != gone], HubId("o/m"), GENERATE)
