"""The descriptor of the backend: what it can do, whether it can run here, and which folders it opens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jan_ort_backends import ABI, Accepts, Available, Capability, Declines, Missing, ModelError, OpenOptions, Session
from jan_ort_backends.checks import check_options
from jan_ort_backends.diagnosis import InstalledProvider, ProviderTruth
from jan_ort_backends.memory import MemoryNeed
from jan_ort_onnxruntime.providers.flavours import installed_flavours, probe_flavours
from jan_ort_onnxruntime.providers.windows_ml import install_offered
from jan_ort_onnxruntime.session_settings import AUTO, CPU_NAME, OPTION_NAMES, SessionSettings


class OnnxRuntimeBackend:
    """ONNX Runtime: generation with a KV cache of several slots, and sentence embeddings."""

    name = "onnxruntime"
    abi = ABI
    capabilities = frozenset(
        {
            Capability.GENERATE,
            Capability.FORK,
            Capability.INTERRUPT,
            Capability.TOP_LOGITS,
            Capability.EMBED,
            Capability.CHECKPOINTS,
            Capability.IMAGES,
            Capability.STATE,
        }
    )
    builtin_models: Mapping[str, Path] = {}

    def probe(self) -> Available | Missing:
        """Say which onnxruntime is installed, from its metadata: one flavour, not too old, and importable."""
        return probe_flavours(installed_flavours())

    def accepts(self, model_dir: Path) -> Accepts | Declines:
        """Accept a folder whose graph is one that this backend runs, with all its files; nothing is loaded."""
        from jan_ort_onnxruntime.graphs.onnx_folder import OnnxFolder  # not for who only asks what is installed
        from jan_ort_onnxruntime.graphs.recognition import read_graph
        from jan_ort_onnxruntime.images.image_parts import read_image_parts

        try:
            folder = OnnxFolder.read(model_dir)
            read_image_parts(folder, read_graph(folder))
        except ModelError as error:
            return Declines(str(error))
        return Accepts()

    def open(self, model_dir: Path, options: OpenOptions) -> Session:
        """Load the model: a generation or an embedding session, as the graph is.

        Raises: ModelError naming the file or option; OutOfMemory.
        """
        status = self.probe()
        if isinstance(status, Missing):
            raise ModelError(f"onnxruntime cannot be used: {status.reason}; {status.remedy}")
        from jan_ort_onnxruntime.opening import open_session  # onnxruntime is imported only now

        return open_session(model_dir, options)

    def memory_need(self, model_dir: Path, options: OpenOptions) -> MemoryNeed | None:
        """Return what a session would take of the host's memory, None on a device that has its own."""
        if isinstance(self.probe(), Missing):
            return None
        from jan_ort_onnxruntime.memory_need import memory_need  # onnxruntime is imported only now

        return memory_need(model_dir, options)

    def check_options(self, extra: Mapping[str, str]) -> None:
        """Check the options' names and values, and that a provider that is named is there. Raises: ModelError."""
        check_options(OpenOptions(extra=extra), OPTION_NAMES, None)
        provider = SessionSettings.parse(extra).provider
        if provider not in (AUTO, CPU_NAME) and isinstance(self.probe(), Available):
            from jan_ort_onnxruntime.providers.proven_opening import check_provider  # onnxruntime is imported only now

            check_provider(provider)

    def install_providers(self) -> list[InstalledProvider]:
        """Have Windows install the vendors' providers that it offers for this machine. Takes up to minutes."""
        return install_offered()

    def diagnose_providers(self) -> list[ProviderTruth]:
        """Run a small graph on every execution provider and say which of them work. Takes up to seconds."""
        if isinstance(self.probe(), Missing):
            return []
        from jan_ort_onnxruntime.providers.provider_diagnosis import diagnose  # onnxruntime is imported only now

        return diagnose()
