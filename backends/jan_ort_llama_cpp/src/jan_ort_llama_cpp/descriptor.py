"""The descriptor of the backend: what it can do, whether it can run here, and which folders it opens."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from jan_ort_backends import (
    Accepts,
    Available,
    BackendTokenizer,
    Capability,
    Declines,
    Missing,
    ModelError,
    OpenOptions,
    Session,
)
from jan_ort_llama_cpp.gguf_path import find_gguf

_DISTRIBUTION = "llama-cpp-python"


class LlamaCppBackend:
    """llama.cpp: generation from GGUF files, with one llama.cpp sequence for each slot."""

    name = "llama_cpp"
    abi = "1.1"
    capabilities = frozenset(
        {Capability.GENERATE, Capability.FORK, Capability.INTERRUPT, Capability.MIXED_BATCH, Capability.CHECKPOINTS}
    )
    builtin_models: Mapping[str, Path] = {}

    def probe(self) -> Available | Missing:
        """Say which llama-cpp-python is installed, from its metadata."""
        try:
            return Available(f"{_DISTRIBUTION} {version(_DISTRIBUTION)}")
        except PackageNotFoundError:
            return Missing(f"{_DISTRIBUTION} is not installed", f"pip install {_DISTRIBUTION}")

    def accepts(self, model_dir: Path) -> Accepts | Declines:
        """Accept a folder with one GGUF model, or that file itself."""
        try:
            find_gguf(model_dir)
        except ModelError as error:
            return Declines(str(error))
        except OSError as error:
            return Declines(f"{error.filename or model_dir} cannot be read: {error.strerror}")
        return Accepts()

    def open(self, model_dir: Path, options: OpenOptions) -> Session:
        """Load the model. Raises: ModelError naming the file or option; OutOfMemory."""
        path = self._found(model_dir)
        from jan_ort_llama_cpp.opening import open_session  # llama.cpp is loaded only now

        return open_session(path, options)

    def open_tokenizer(self, model_dir: Path) -> BackendTokenizer:
        """Read the file's own tokenizer. Raises: ModelError."""
        path = self._found(model_dir)
        from jan_ort_llama_cpp.tokenizer import open_tokenizer  # as in open

        return open_tokenizer(path)

    def _found(self, model_dir: Path) -> Path:
        """Return the file of a folder, if llama.cpp is there to read it. Raises: ModelError."""
        path = find_gguf(model_dir)
        status = self.probe()
        if isinstance(status, Missing):
            raise ModelError(f"llama.cpp cannot be used: {status.reason}; {status.remedy}")
        return path
