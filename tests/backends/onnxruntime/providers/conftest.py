"""A graph that every provider runs, and provider libraries that are and are not sound."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from jan_ort_onnxruntime.providers import plugin_libraries, plugin_trial, proven_opening


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """A graph of one operator that every provider has."""
    node = onnx.helper.make_node("Identity", ["a"], ["b"])
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "ab"]
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", values[:1], values[1:])), tmp_path / "g.onnx")
    return tmp_path / "g.onnx"


@pytest.fixture(autouse=True)
def only_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Provider libraries that this machine has are not those of the tests."""
    packages = plugin_libraries.provider_packages

    def ours() -> dict[str, str]:
        return {name: package for name, package in packages().items() if (tmp_path / package).is_dir()}

    monkeypatch.setattr(plugin_libraries, "provider_packages", ours)
    monkeypatch.setattr(plugin_libraries, "_registrations", {})
    monkeypatch.setattr(plugin_trial, "try_out", lambda packages: {})  # a fake runtime is in no other process
    monkeypatch.setattr(proven_opening, "FAST_STEP_S", 5.0)  # however busy the machine is, only a test of pace is slow


SOUND = 'get_library_path = lambda: "sound"\nget_ep_names = lambda: ["SoundExecutionProvider"]'


@pytest.fixture
def sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed provider library whose path is "sound"."""
    install(tmp_path, "onnxruntime-ep-sound", "onnxruntime_ep_sound", SOUND)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.fixture
def plugins(tmp_path: Path, sound: None) -> None:
    """Installed provider libraries: besides the sound one, one is broken, one raises, one does not tell its name.

    Packages are not called what their distributions are, as released ones are not; and what only sounds like them,
    or says that it brings something else, is not imported.
    """
    for distribution, package, code in (
        ("onnxruntime-ep-broken-cu13", "onnxruntime_ep_broken", SOUND.replace("sound", "broken")),
        ("onnxruntime-raising", "onnxruntime_raising", 'raise ImportError("no driver")  # before get_ep_names'),
        ("onnxruntime-ep-nameless", "onnxruntime_ep_nameless", 'library_path = lambda: "x"  # no get_ep_names'),
        ("onnxruntime-extensions", "onnxruntime_extensions", "get_library_path = 1 / 0"),
    ):
        install(tmp_path, distribution, package, code)


def install(folder: Path, distribution: str, package: str, code: str) -> None:
    """Put a distribution of one package into ``folder``, with its list of files."""
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").write_text(code)
    info = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "RECORD").write_text(f"{package}/__init__.py,,\n{info.name}/METADATA,,\n")
