"""What is told before Ray is started: wrong flags, what several replicas cannot have, and a Ray that is not there."""

from __future__ import annotations

from typing import Any

import pytest

from jan_ort.on_ray import app
from jan_ort.on_ray.deployment import sharing_weights
from jan_ort.settings.schema import Settings, SettingsError
from tests.cli.commands.running import last_error, run

SERVE = ("serve", "--backend", "reference", "--model", "reference", "--port", "0")


@pytest.mark.parametrize("flag", ["--replicas", "--max-replicas"])
def test_replicas_are_for_ray(flag: str) -> None:
    result = run(*SERVE, flag, "2")

    assert result.exit_code == 2
    assert "--on ray" in last_error(result)


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--replicas", "3", "--max-replicas", "2"), "--max-replicas is 2"),
        (("--replicas", "2", "--metrics-port", "9100"), "--metrics-port"),
    ],
)
def test_what_several_replicas_cannot_have_is_refused_by_name(flags: tuple[str, ...], named: str) -> None:
    result = run(*SERVE, "--on", "ray", *flags)

    assert result.exit_code == 2
    assert named in last_error(result)


def test_a_ray_that_is_not_installed_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jan_ort.on_ray.proxies.find_spec", lambda name: None)

    result = run(*SERVE, "--on", "ray")

    assert result.exit_code == 1
    assert "'.[ray]'" in last_error(result)


@pytest.mark.parametrize(("args", "named"), [({"modle": "a"}, "'modle'"), ({"num_slots": "0"}, "--num-slots")])
def test_a_wrong_argument_of_serve_run_is_named(args: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        app(args)


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({}, {"share_weights": "1"}),
        ({"backend_option": ("share_weights=0",)}, {"share_weights": "0"}),
        ({"backend": "reference"}, {}),
        ({"allow_backend": ("reference",)}, {}),
    ],
)
def test_replicas_share_weights_unless_they_are_told_not_to(given: dict[str, Any], options: dict[str, str]) -> None:
    settings = sharing_weights(Settings.read(**given))

    assert settings.options_of("onnxruntime") == options
