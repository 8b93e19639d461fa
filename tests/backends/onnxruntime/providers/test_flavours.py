"""What is said of the distributions of ONNX Runtime that are installed."""

from pathlib import Path

import pytest

from jan_ort.cli.doctor.machine import read_versions
from jan_ort_backends import Available, Missing
from jan_ort_onnxruntime.providers.flavours import installed_flavours, probe_flavours, provider_packages
from tests.backends.onnxruntime.providers.conftest import install


@pytest.mark.parametrize(
    ("flavours", "reason", "remedy"),
    [
        ({}, None, None),
        ({"onnxruntime": "1.24.0"}, None, None),
        ({"onnxruntime-gpu": "1.100"}, None, None),
        ({"onnxruntime": "1.23.2"}, "onnxruntime 1.23.2 is older than 1.24", "pip install --upgrade"),
        (
            {"onnxruntime": "1.26.0", "onnxruntime-gpu": "1.26.0"},
            "2 flavours of onnxruntime are installed over one another: onnxruntime, onnxruntime-gpu",
            "pip uninstall -y onnxruntime onnxruntime-gpu",
        ),
    ],
)
def test_the_installed_flavours_are_judged(flavours: dict[str, str], reason: str | None, remedy: str | None) -> None:
    status = probe_flavours(flavours)

    if reason is None:
        assert isinstance(status, Available)
    else:
        assert isinstance(status, Missing)
        assert status.reason == reason
        assert remedy is not None
        assert status.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("distribution", "files", "kind"),
    [
        ("onnxruntime", ["onnxruntime/__init__.py"], "flavour"),
        ("onnxruntime-newest", ["onnxruntime/__init__.py", "onnxruntime/capi/x.so"], "flavour"),
        ("onnxruntime-qnn", ["onnxruntime_qnn/__init__.py"], "provider"),
        ("onnxruntime-ep-x-cu13", ["onnxruntime_ep_x/x.so", "onnxruntime_ep_x/__init__.py"], "provider"),
        ("onnxruntime-one", ["onnxruntime_one.py"], "provider"),
        ("onnxruntime-genai", ["onnxruntime_genai/__init__.py", "onnxruntime_genai/onnxruntime/__init__.py"], None),
    ],
)
@pytest.mark.parametrize("listed", [True, False])
def test_a_distribution_s_files_say_what_it_is(
    distribution: str, files: list[str], kind: str | None, listed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("def get_ep_names(): ..." if kind == "provider" else "")
    info = tmp_path / f"{distribution.replace('-', '_')}-2.7.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.7\n")
    if listed:
        (info / "RECORD").write_text("".join(f"{file},sha256=x,1\n" for file in files))
    elif distribution.endswith("cu13"):
        pytest.skip("without a list, a package of another name cannot be found")
    monkeypatch.setattr("sys.path", [str(tmp_path)])

    assert installed_flavours() == ({distribution: "2.7"} if kind == "flavour" else {})
    assert list(provider_packages()) == ([distribution] if kind == "provider" else [])


@pytest.mark.parametrize(
    ("files", "flavours", "providers"),
    [
        ({}, [], []),
        ({"METADATA": b"\xff\xfe\0", "RECORD": b"onnxruntime_ep_x/__init__.py,,\n"}, [], ["onnxruntime-ep-x"]),
        ({"METADATA": b"", "RECORD": b"\xff\xfe\0"}, [], []),
        ({"RECORD": b"onnxruntime/__init__.py,,\n\xff"}, ["onnxruntime-ep-x"], []),
    ],
)
def test_a_distribution_that_is_installed_halfway_hides_no_other(
    files: dict[str, bytes], flavours: list[str], providers: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "onnxruntime", "onnxruntime", "")
    install(tmp_path, "onnxruntime-ep-x", "onnxruntime_ep_x", "EP_NAME = 'x'")
    info = tmp_path / "onnxruntime_ep_x-1.0.dist-info"
    for name in ("METADATA", "RECORD"):
        (info / name).unlink()
    for name, text in files.items():
        (info / name).write_bytes(text)
    (tmp_path / "onnxruntime_file-1.0.dist-info").touch()
    monkeypatch.setattr("sys.path", [str(tmp_path)])

    assert installed_flavours() == dict.fromkeys(["onnxruntime", *flavours], "1.0")
    assert list(provider_packages()) == providers
    assert read_versions()["jan-ort"]
