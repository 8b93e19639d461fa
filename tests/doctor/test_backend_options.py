"""How the backend's own options are configured."""

import pytest

from jan_ort.settings import Settings, SettingsError


def test_options_are_read_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAN_ORT_BACKEND_OPTION", "provider=cuda, strict=1")

    assert Settings.read().backend_options == {"provider": "cuda", "strict": "1"}


def test_the_last_of_several_values_counts_and_a_value_may_hold_an_equals_sign() -> None:
    settings = Settings.read(backend_option=("provider=cuda", "provider=cpu", "note=a=b"))

    assert settings.backend_options == {"provider": "cpu", "note": "a=b"}


@pytest.mark.parametrize("given", ["provider", "=cuda", ""])
def test_an_option_without_name_or_value_is_refused(given: str) -> None:
    with pytest.raises(SettingsError, match="is not NAME=VALUE"):
        Settings.read(backend_option=(given,))
