"""The calibration's forward pass is the model's, and smoothing changes nothing but the quantisation."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type

from jan_ort.convert.architectures.decoder import Decoder
from jan_ort.convert.architectures.decoder_config import read_decoder_config
from jan_ort.convert.architectures.llama import LLAMA
from jan_ort.convert.architectures.qwen2 import QWEN2
from jan_ort.convert.graph.calibration import Calibration
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.weights.smoothing import LayerActivations, smoothing
from tests.convert.architectures.test_architectures import TOY
from tests.convert.tiny_llama import HIDDEN, INNER, LAYERS, TinyLlama, rms_norm

TOKEN_IDS = [3, 200, 17, 45, 45, 9]

_SAY_SCALES = f"""
import hashlib, sys, pathlib
import numpy as np
from jan_ort.convert.architectures.decoder_config import read_decoder_config
from jan_ort.convert.architectures.llama import LLAMA
from jan_ort.convert.graph.calibration import Calibration
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.weights.smoothing import smoothing

source = GgufFile(pathlib.Path(sys.argv[1]))
calibration = Calibration(source, LLAMA, read_decoder_config(source, LLAMA), {TOKEN_IDS * 8})
layers = list(calibration.layers())
scales = [scale for layer in map(smoothing, layers) for scale in (layer.attention, layer.mlp, layer.down)]
for values in (calibration.output(), np.concatenate(scales)):
    print(hashlib.sha256(values.tobytes()).hexdigest())
"""


@pytest.mark.parametrize("decoder", [LLAMA, QWEN2, TOY], ids=lambda decoder: decoder.name)
def test_the_residual_after_the_last_layer_gives_the_models_logits(decoder: Decoder, tmp_path: Path) -> None:
    model = TinyLlama(Type.Q8_0, tensors={"blk.0.attn_k.bias": np.full(64, 0.5, np.float32)}, decoder=decoder)
    source = GgufFile(model.write(tmp_path / "tiny.gguf"))
    calibration = Calibration(source, decoder, read_decoder_config(source, decoder), TOKEN_IDS)

    layers = list(calibration.layers())
    normed = calibration.output()

    assert len(layers) == LAYERS
    np.testing.assert_allclose(
        normed @ model.tensors["token_embd.weight"].T, model.forward(TOKEN_IDS), rtol=1e-3, atol=1e-4
    )


def test_activations_are_root_mean_squares_of_the_inputs(tmp_path: Path) -> None:
    model = TinyLlama()
    source = GgufFile(model.write(tmp_path / "tiny.gguf"))
    weight = {name: values.astype(np.float64) for name, values in model.tensors.items()}
    normed = rms_norm(weight["token_embd.weight"][[7]], weight["blk.0.attn_norm.weight"])[0]

    first = next(Calibration(source, LLAMA, read_decoder_config(source, LLAMA), [7]).layers())

    assert first.attention is not None
    np.testing.assert_allclose(first.attention, np.abs(normed), rtol=1e-5)
    assert first.mlp is not None
    assert first.down is not None
    assert (first.mlp.shape, first.down.shape) == ((HIDDEN,), (INNER,))


def test_the_scales_do_not_depend_on_the_kernels_of_the_processor(tmp_path: Path) -> None:
    path = TinyLlama().write(tmp_path / "tiny.gguf")

    said = [
        subprocess.run(
            [sys.executable, "-c", _SAY_SCALES, str(path)], env=os.environ | kernels, capture_output=True, check=True
        ).stdout
        for kernels in ({}, {"OPENBLAS_CORETYPE": "Prescott"})
    ]

    if said[0].split()[0] == said[1].split()[0]:
        pytest.skip("numpy's BLAS has no other kernels on this machine")
    assert said[0].split()[1] == said[1].split()[1]


def test_smoothing_takes_the_root_of_a_channels_size_and_has_mean_1() -> None:
    sizes = np.array([1, 1, 1, 100], np.float32)

    scale = smoothing(LayerActivations(sizes, sizes, sizes)).attention

    assert scale is not None
    np.testing.assert_allclose(scale / scale[0], [1, 1, 1, 10], rtol=2e-6)
    np.testing.assert_allclose(np.log(scale).sum(), 0, atol=2e-6)


def test_a_channel_that_is_never_used_gets_no_enormous_weight() -> None:
    sizes = np.array([0, 1, 1, 1], np.float32)
    nothing = np.zeros(4, np.float32)

    smooth = smoothing(LayerActivations(sizes, nothing, sizes))

    assert smooth.attention is not None
    assert smooth.attention[1] / smooth.attention[0] < 10.1
    np.testing.assert_array_equal(smooth.mlp, np.ones(4))
