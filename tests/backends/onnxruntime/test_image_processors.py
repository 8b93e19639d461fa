"""Twenty odd images come to a tower as transformers' own processors bring them there, to the bit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jan_ort.images.data_url import ImageFile
from jan_ort.images.decoding import decode
from jan_ort_backends import BadInput
from jan_ort_onnxruntime.images.clip import ClipProcessor
from jan_ort_onnxruntime.images.idefics3 import Idefics3Processor
from jan_ort_onnxruntime.images.llava_onevision import read_onevision
from jan_ort_onnxruntime.images.processor import ImageProcessor, ProcessorConfig
from jan_ort_onnxruntime.images.qwen_vl import read_qwen_vl

FOLDER = Path(__file__).parents[2] / "fixtures" / "odd_images"
RECORDED: dict[str, Any] = json.loads((FOLDER / "processors.json").read_text())
NAMES = sorted(path.name for path in FOLDER.iterdir() if path.suffix != ".json")
TYPES = {"jpg": "jpeg"}
READERS: dict[str, Any] = {"llava_onevision": read_onevision, "qwen2_vl": read_qwen_vl}
MODEL = {
    "vision_config": {"image_size": 48, "patch_size": 16},
    "text_config": {"hidden_size": 2},
    "image_newline": [0, 1],
}


def processor_of(kind: str) -> tuple[ImageProcessor, ProcessorConfig]:
    config = ProcessorConfig(FOLDER, RECORDED[kind]["config"], {})
    if "idefics3" in kind:
        return Idefics3Processor(config, 1), config
    return READERS.get(kind, _of_clip)(MODEL, config), config


def _of_clip(_: Any, config: ProcessorConfig) -> ImageProcessor:
    return ClipProcessor.read(config)


def test_there_are_twenty() -> None:
    assert len(NAMES) == 20
    assert all(set(each["images"]) == set(NAMES) for each in RECORDED.values())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", RECORDED)
def test_the_towers_values_are_those_of_transformers(kind: str, name: str) -> None:
    ending = name.rpartition(".")[2]
    pixels = decode(ImageFile((FOLDER / name).read_bytes(), f"image/{TYPES.get(ending, ending)}"))
    processor, config = processor_of(kind)

    expected = RECORDED[kind]["images"][name]
    if "refused" in expected:
        with pytest.raises(BadInput, match="200 times"):
            processor.views(pixels, "auto")
        return

    views = processor.views(pixels, "auto")

    planes = np.ascontiguousarray(views.frames.transpose(0, 3, 1, 2))
    values = processor.feeds(planes, views)["pixel_values"]  # type: ignore[arg-type]
    assert list(values.shape) == expected["shape"]
    assert hashlib.sha256(values.tobytes()).hexdigest() == expected["sha256"]
    normalised = processor.feeds(config.normalised(views.frames), views)["pixel_values"]
    assert normalised.dtype == np.float32
    assert hashlib.sha256(normalised.tobytes()).hexdigest() == expected["normalised_sha256"]
