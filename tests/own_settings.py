"""The settings of whoever runs the tests, and how they are kept out of the tests and of what these start."""

from __future__ import annotations

import atexit
import functools
import tempfile
from collections.abc import Mapping

from platformdirs import user_config_path

from jan_ort.settings.schema import default_cache_dir

_KEPT = ("JAN_ORT_CACHE_DIR", "JAN_ORT_TEST_GEMMA_TERMS", "JAN_ORT_TEST_GGUF")


def without_own_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with no setting but the cache, and with an empty place for the user's configuration.

    The cache stays where it was, and so does pip's configuration, which says where the tests' models come from.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith("JAN_ORT_") or name in _KEPT}
    kept.setdefault("JAN_ORT_CACHE_DIR", str(default_cache_dir()))
    pip = user_config_path("pip") / "pip.conf"
    if pip.is_file():
        kept.setdefault("PIP_CONFIG_FILE", str(pip))
    # The first is read on Linux and macOS, the second on Windows.
    return kept | dict.fromkeys(("XDG_CONFIG_HOME", "WIN_PD_OVERRIDE_LOCAL_APPDATA"), _empty_directory())


@functools.cache
def _empty_directory() -> str:
    directory = tempfile.TemporaryDirectory(prefix="jan-ort-no-configuration-")
    atexit.register(directory.cleanup)
    return directory.name
