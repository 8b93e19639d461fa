"""The pool of prompts that a model's slots have let go of, as the settings want it."""

from __future__ import annotations

from jan_ort.engine.prefix_files import PrefixFiles
from jan_ort.engine.prefix_pool import PrefixPool
from jan_ort.ground.available_memory import available_bytes
from jan_ort.settings.schema import Settings
from jan_ort_backends import ModelError, SessionInfo

SHARE = 16
"""Of the available memory the pool takes this part, if nobody says how much."""


def max_saved_bytes(settings: Settings) -> int:
    """Return how much memory saved slots may take."""
    given = settings.prompt_cache_mb
    return available_bytes() // SHARE if given is None else given * 2**20


def open_pool(info: SessionInfo, settings: Settings, max_bytes: int) -> PrefixPool:
    """Return the pool of a session. Raises: ModelError for a folder that cannot be used."""
    files = None
    if settings.prompt_cache_dir is not None and info.state_key is not None:
        try:
            files = PrefixFiles(settings.prompt_cache_dir, info.state_key, settings.prompt_cache_dir_mb * 2**20)
        except OSError as error:
            raise ModelError(
                f"--prompt-cache-dir {settings.prompt_cache_dir} cannot be used: {error}; name a folder that can be "
                "written to"
            ) from error
    return PrefixPool(max_bytes, cut_anywhere=info.num_checkpoints is None, files=files)
