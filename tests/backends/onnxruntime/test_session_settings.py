"""The backend's options as they are read, and how many threads suit the machine."""

import pytest

from jan_ort_onnxruntime.session_settings import SessionSettings, _cgroup_cores, default_num_threads


def test_options_are_read() -> None:
    settings = SessionSettings.parse({"intra_op_num_threads": "3", "spin_duration_us": "0"})

    assert settings == SessionSettings(3, spin_duration_us=0, provider="auto", strict=False)


@pytest.mark.parametrize(
    ("limit", "cores"),
    [("max 100000", None), ("", None), ("150000 100000", 1), ("50000 100000", 1), ("400000 100000", 4)],
)
def test_a_quota_limits_the_threads(limit: str, cores: int | None) -> None:
    assert _cgroup_cores(limit) == cores
    assert default_num_threads() >= 0
