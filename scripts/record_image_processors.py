"""Write odd images, and record what transformers' own processors make of them.

``python -m scripts.record_image_processors``, in an environment with transformers 5 and pillow. What is recorded
are the tower's values as whole numbers, before they are normalised: their shape and their hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

FOLDER = Path(__file__).parents[1] / "tests" / "fixtures" / "odd_images"


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    """Return a picture that is smooth in one direction and noisy in the other."""
    rows = np.linspace(0, 255, height)[:, None, None]
    columns = np.random.default_rng(height * width).integers(0, 256, (1, width, channels))
    return ((rows + columns) / 2).astype(np.uint8)


def images() -> Iterator[tuple[str, Image.Image, dict[str, Any]]]:
    """Yield twenty files: name, picture, and how it is saved."""
    for number in (1, 3, 6, 8):
        exif = Image.Exif()
        exif[0x0112] = number
        yield f"turned_{number}.jpg", Image.fromarray(noise(40, 60)), {"exif": exif, "quality": 95}
    yield "alpha.png", Image.fromarray(noise(33, 47, 4), "RGBA"), {}
    yield "grey_alpha.png", Image.fromarray(noise(20, 30, 2), "LA"), {}
    yield "palette.png", Image.fromarray(noise(50, 50)).quantize(16), {}
    yield "palette_transparent.png", Image.fromarray(noise(50, 41)).quantize(16), {"transparency": 3}
    yield "grey.jpg", Image.fromarray(noise(64, 64, 1)[:, :, 0]), {}
    yield "cmyk.jpg", Image.fromarray(noise(31, 64)).convert("CMYK"), {}
    yield "one_bit.png", Image.fromarray(noise(70, 30)).convert("1"), {}
    yield "sixteen_bits.png", Image.fromarray(noise(30, 70, 1)[:, :, 0].astype(np.uint16) * 200), {}
    yield "thin.png", Image.fromarray(noise(1, 3000)), {}
    yield "tall.png", Image.fromarray(noise(3000, 1)), {}
    yield "one_pixel.png", Image.fromarray(noise(1, 1)), {}
    yield "large.jpg", Image.fromarray(noise(700, 500)), {"quality": 60}
    frames = [Image.fromarray(noise(40, 40 + at)).resize((40, 40)) for at in range(3)]
    yield "animated.gif", frames[0], {"save_all": True, "append_images": frames[1:]}
    yield "animated.webp", frames[0], {"save_all": True, "append_images": frames[1:], "lossless": True}
    yield "lossy.webp", Image.fromarray(noise(96, 32)), {"quality": 50}
    yield "bitmap.bmp", Image.fromarray(noise(17, 23)), {}


PROCESSORS: dict[str, Any] = {
    "idefics3": Idefics3ImageProcessorPil(size={"longest_edge": 256}, max_image_size={"longest_edge": 64}),
    "idefics3 whole": Idefics3ImageProcessorPil(
        size={"longest_edge": 256}, max_image_size={"longest_edge": 64}, do_image_splitting=False
    ),
    "clip": CLIPImageProcessorPil(size={"shortest_edge": 40}, crop_size={"height": 48, "width": 48}),
    "llava_onevision": LlavaOnevisionImageProcessorPil(
        size={"height": 48, "width": 48},
        image_grid_pinpoints=[[48 * rows, 48 * columns] for rows in range(1, 5) for columns in range(1, 5)],
    ),
    "qwen2_vl": Qwen2VLImageProcessorPil(patch_size=7, size={"shortest_edge": 42 * 42, "longest_edge": 30 * 30 * 49}),
    "siglip": SiglipImageProcessorPil(size={"height": 56, "width": 56}),
}


def recording(processor: Any, image: Image.Image) -> dict[str, Any]:
    """Return what is told of an image's values, or that it is refused."""
    try:
        plain = processor(image, do_rescale=False, do_normalize=False, return_tensors="np")
    except ValueError as error:
        return {"refused": str(error)}
    values = np.asarray(plain["pixel_values"])
    values = values[0] if values.ndim == 5 else values
    scaled = np.asarray(processor(image, return_tensors="np")["pixel_values"])
    return {
        "shape": list(values.shape),
        "sha256": hashlib.sha256(np.ascontiguousarray(values.astype(np.uint8)).tobytes()).hexdigest(),
        "normalised_sha256": hashlib.sha256(np.ascontiguousarray(scaled, np.float32).tobytes()).hexdigest(),
    }


def main() -> None:
    """Write the images, and one file of what the processors made of them."""
    FOLDER.mkdir(exist_ok=True)
    recorded: dict[str, Any] = {}
    for name, image, options in images():
        image.save(FOLDER / name, **options)
    for kind, processor in PROCESSORS.items():
        config = processor.to_dict()
        answers = {}
        for path in sorted(FOLDER.iterdir()):
            if path.suffix == ".json":
                continue
            opened = ImageOps.exif_transpose(Image.open(path))
            answers[path.name] = recording(processor, opened)
        recorded[kind] = {"config": config, "images": answers}
    (FOLDER / "processors.json").write_text(json.dumps(recorded, indent=1, default=str) + "\n")
    print(len(recorded), "processors,", len(answers), "images")


if __name__ == "__main__":
    main()
