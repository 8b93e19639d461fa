"""How the backend's own options are configured."""

import pytest

from jan_ort.plugins.choice import NoBackendError
from jan_ort.serving.choice import check_settings
from jan_ort.settings.schema import Settings, SettingsError


def test_options_are_read_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAN_ORT_BACKEND_OPTION", "provider=cuda, strict=1")

    assert Settings.read().options_of("onnxruntime") == {"provider": "cuda", "strict": "1"}


def test_the_last_of_several_values_counts_and_a_value_may_hold_an_equals_sign() -> None:
    settings = Settings.read(backend_option=("provider=cuda", "provider=cpu", "note=a=b"))

    assert settings.options_of("onnxruntime") == {"provider": "cpu", "note": "a=b"}


@pytest.mark.parametrize("given", ["provider", "=cuda", ""])
def test_an_option_without_name_or_value_is_refused(given: str) -> None:
    with pytest.raises(SettingsError, match="is not NAME=VALUE"):
        Settings.read(backend_option=(given,))


def test_an_option_may_be_for_one_of_several_backends() -> None:
    settings = Settings.read(backend_option=("a=1", "reference:a=2", "reference:path=C:/x=y", "other:b=3"))

    assert settings.options_of("reference") == {"a": "2", "path": "C:/x=y"}
    assert settings.options_of("onnxruntime") == {"a": "1"}


def test_an_option_for_a_backend_that_is_not_there_is_refused() -> None:
    settings = Settings.read(backend="reference", backend_option="onnxruntme:strict=1")

    with pytest.raises(NoBackendError, match=r"'onnxruntme:strict=1', and there is no backend named 'onnxruntme'"):
        check_settings(settings)
