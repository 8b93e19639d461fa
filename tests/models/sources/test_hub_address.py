"""What people paste for a repository of the hub."""

from __future__ import annotations

import pytest

from jan_ort.ground.model_errors import ModelReferenceError
from jan_ort.ground.task import EMBED, GENERATE
from jan_ort.models.sources import find_source, split_provider
from jan_ort.models.sources.base import Known
from jan_ort.models.sources.hub import HubSource
from jan_ort.models.sources.hub_address import parse_hub_id
from jan_ort.models.sources.hub_files import HubId, select_files

HUB = "https://huggingface.co"
ADDRESSES: list[tuple[str, HubId]] = [
    ("hf.co/o/m", HubId("o/m")),
    ("hf.co/o/m:Q4_K_M", HubId("o/m", quantization="Q4_K_M")),
    ("huggingface.co/o/m/", HubId("o/m")),
    (f"{HUB}/o/m", HubId("o/m")),
    (f"{HUB}/o/m?library=transformers#usage", HubId("o/m")),
    ("HTTP://www.HuggingFace.co/o/m", HubId("o/m")),
    (f"{HUB}/o/m:Q8_0", HubId("o/m", quantization="Q8_0")),
    (f"{HUB}/o/m-GGUF?show_file_info=sub%2Fm-Q4_K_M.gguf", HubId("o/m-GGUF", "sub/m-Q4_K_M.gguf")),
    (f"{HUB}/o/m?show_file_info=model.safetensors", HubId("o/m")),
    ("hf.co/o/m:latest", HubId("o/m")),
    (f"{HUB}/o/m/tree/main", HubId("o/m")),
    (f"{HUB}/o/m/tree/main/onnx", HubId("o/m")),
    (f"{HUB}/o/m/tree/v2/gpu/gpu-int4/", HubId("o/m", revision="v2", folder="gpu/gpu-int4")),
    (f"{HUB}/o/m/tree/main/Q4_K_M", HubId("o/m", quantization="Q4_K_M")),
    (f"{HUB}/o/m/tree/main/UD-Q4_K_XL/", HubId("o/m", quantization="UD-Q4_K_XL")),
    (f"{HUB}/o/m/tree/v1.0:Q4_0", HubId("o/m", quantization="Q4_0", revision="v1.0")),
    (f"{HUB}/o/m/blob/main/m.Q4_K_M.gguf", HubId("o/m", "m.Q4_K_M.gguf")),
    (f"{HUB}/o/m/blob/main/sub%20x/m.gguf", HubId("o/m", "sub x/m.gguf")),
    (f"{HUB}/o/m/resolve/main/m.gguf?download=true", HubId("o/m", "m.gguf")),
    (f"{HUB}/o/m/resolve/0123abcd/m.gguf", HubId("o/m", "m.gguf", revision="0123abcd")),
    (f"{HUB}/o/m/blob/main/model.safetensors", HubId("o/m")),
    (f"{HUB}/o/m/blob/main/config.json", HubId("o/m")),
]


@pytest.mark.parametrize(("text", "expected"), ADDRESSES)
def test_an_address_is_understood(text: str, expected: HubId) -> None:
    assert find_source(text, Known()) == HubSource(expected)


@pytest.mark.parametrize(("text", "expected"), ADDRESSES)
def test_what_is_shown_of_it_can_be_given_again(text: str, expected: HubId) -> None:
    assert parse_hub_id(str(expected)) == expected


def test_an_address_may_have_a_provider() -> None:
    assert split_provider(f"{HUB}/o/m@cuda", Known()) == (f"{HUB}/o/m", "cuda")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("https://example.com/o/m.gguf", "not an address of the Hugging Face hub"),
        (f"{HUB}/datasets/o/m", "not the address of a model"),
        (f"{HUB}/datasets/o", "not the address of a model"),
        (f"{HUB}/o", "not the address of a model"),
        (f"{HUB}/o/m/discussions", "not the address of a model"),
    ],
)
def test_any_other_address_says_what_one_is(text: str, message: str) -> None:
    with pytest.raises(ModelReferenceError, match=message):
        find_source(text, Known())


PARTS = ["Q8_0/m-Q8_0-00001-of-00002.gguf", "Q8_0/m-Q8_0-00002-of-00002.gguf", "mmproj-m-Q8_0.gguf", "m-IQ4_XS.gguf"]


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        (HubId("o/m"), PARTS[:2]),
        (HubId("o/m", quantization="Q8_0"), PARTS[:2]),
        (HubId("o/m", file=PARTS[0]), PARTS[:2]),
        (HubId("o/m", quantization="iq4_xs"), PARTS[3:]),
    ],
)
def test_all_parts_of_a_split_file_are_fetched_and_the_mmproj_file(reference: HubId, expected: list[str]) -> None:
    assert list(select_files(PARTS, reference, GENERATE).files) == [*expected, "mmproj-m-Q8_0.gguf"]


def test_of_several_mmproj_files_one_is_fetched_and_only_to_generate() -> None:
    names = ["m-Q8_0.gguf", "mmproj-m-Q8_0.gguf", "mmproj-m-f16.gguf", "sub/mmproj-m-BF16.gguf"]

    to_generate, to_embed = (select_files(names, HubId("o/m", file=names[0]), task) for task in (GENERATE, EMBED))

    assert to_generate.files == ("m-Q8_0.gguf", "mmproj-m-f16.gguf")
    assert to_embed.files == ("m-Q8_0.gguf",)
