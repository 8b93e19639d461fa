"""The backend interface: what a plugin implements and what the server relies on (hop 6)."""

from jan_ort_backends.answers import Accepts, Available, Declines, Missing
from jan_ort_backends.checks import check_session, session_capabilities
from jan_ort_backends.counted_session import CountedSession
from jan_ort_backends.diagnosis import DiagnosesProviders, InstalledProvider, InstallsProviders, ProviderTruth
from jan_ort_backends.errors import (
    BackendError,
    BadInput,
    ContextOverflow,
    DeviceLost,
    Interrupted,
    ModelError,
    OutOfMemory,
    Unsupported,
)
from jan_ort_backends.images import EMBEDDED, Embedded, EmbeddedRun, ImageInput
from jan_ort_backends.interface import (
    ABI,
    NUM_TOP_LOGITS,
    Backend,
    Capability,
    ChecksOptions,
    DeviceReport,
    OpenOptions,
    Session,
    SessionInfo,
    SlotTokens,
    StepOutput,
)
from jan_ort_backends.memory import EstimatesMemory, MemoryNeed
from jan_ort_backends.registry import Discovered, discover, register, unregister
from jan_ort_backends.states import State
from jan_ort_backends.tokenizing import BackendTokenizer, OpensTokenizers, VocabularyToken

__all__ = [
    "ABI",
    "EMBEDDED",
    "NUM_TOP_LOGITS",
    "Accepts",
    "Available",
    "Backend",
    "BackendError",
    "BackendTokenizer",
    "BadInput",
    "Capability",
    "ChecksOptions",
    "ContextOverflow",
    "CountedSession",
    "Declines",
    "DeviceLost",
    "DeviceReport",
    "DiagnosesProviders",
    "Discovered",
    "Embedded",
    "EmbeddedRun",
    "EstimatesMemory",
    "ImageInput",
    "InstalledProvider",
    "InstallsProviders",
    "Interrupted",
    "MemoryNeed",
    "Missing",
    "ModelError",
    "OpenOptions",
    "OpensTokenizers",
    "OutOfMemory",
    "ProviderTruth",
    "Session",
    "SessionInfo",
    "SlotTokens",
    "State",
    "StepOutput",
    "Unsupported",
    "VocabularyToken",
    "check_session",
    "discover",
    "register",
    "session_capabilities",
    "unregister",
]
