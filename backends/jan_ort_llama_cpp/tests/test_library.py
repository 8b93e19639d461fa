"""The bindings of llama.cpp are loaded so that their threads do not starve themselves on cores that others use too."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
pytest.importorskip("jan_ort_llama_cpp.descriptor", reason="jan-ort-llama-cpp is not installed")

LOAD = """
import os
from jan_ort_llama_cpp.library import load_library
load_library()
print(os.environ.get("GOMP_SPINCOUNT"))
"""
POLICIES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


@pytest.mark.parametrize(
    ("given", "spins"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, "None")],
)
def test_threads_soon_sleep_unless_told_otherwise(given: dict[str, str], spins: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in POLICIES}

    loaded = subprocess.run(  # noqa: S603
        [sys.executable, "-c", LOAD], env=environment | given, capture_output=True, text=True, check=True
    )

    assert loaded.stdout.strip() == spins
