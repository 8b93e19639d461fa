"""What every kind of source answers: what it means, whether its folder is there, and how the folder is made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, Self

from jan_ort.convert.weights.schemes import AS_IS, SCHEMES, EncoderScheme
from jan_ort.ground.model_errors import ModelReferenceError
from jan_ort.ground.progress import Progress, silent
from jan_ort.ground.task import GENERATE, Task
from jan_ort.models.cache.manifest import CacheKey
from jan_ort.models.cache.model_cache import ModelCache
from jan_ort.models.folder import ModelFolder

WEIGHTS = (*SCHEMES, AS_IS)
"""What can be said of the weights of a model that generates."""

EXPECTED = (
    "Expected: a name, a FOLDER, a FILE.gguf or a Hugging Face id (org/name, org/name:Q8_0, org/name/FILE.gguf, or the "
    "address of its page)"
)

Sha256 = Callable[[Path], str | None]
"""Returns the sha256 of a large file, None if it is to be read for it and must not be."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a text may mean beside what it says: the names of models that backends bring, and of those in a cache.

    ``weights`` tells several cached models of one name apart, and ``embedding_weights`` those that embed or rank.
    """

    builtin_models: Mapping[str, Path] = field(default_factory=dict)
    cache_dir: Path | None = None
    weights: str = "int8"
    embedding_weights: str = "float32"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a folder is made for: one source gives several.

    ``weights`` is one of WEIGHTS, for a model that generates; ``embedding_weights`` is for any other.
    ``memory_limit_mb`` is the most that making it may take, None for what is available, 0 for no limit. ``pooling`` is
    how a model embeds whose files do not say it. ``mmproj`` names the file that a GGUF model reads images with, or is
    "none"; None stands for the one beside it.
    """

    task: Task
    weights: str = "int8"
    memory_limit_mb: int | None = None
    pooling: str | None = None
    mmproj: str | None = None
    embedding_weights: EncoderScheme = "float32"

    @property
    def scheme(self) -> str:
        """How the weights are kept."""
        return self.embedding_weights if self.task.encodes else self.weights


class Source(ABC):
    """What a user has named for a model. One kind of source is one class, and an entry of ``sources.SOURCES``.

    ``needs`` says what is done before it can be served for the first time. ``takes_mmproj``: it may be said which file
    it reads images with. ``str()`` is its name in messages.
    """

    needs: ClassVar[Literal["nothing", "conversion", "download"]]
    takes_mmproj: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def parse(cls, text: str, known: Known) -> Self | None:
        """Return what ``text`` means, None if that is nothing of this kind. Reads small files only.

        Raises: ModelReferenceError if it is of this kind and cannot be served.
        """

    @classmethod
    def names(cls, known: Known) -> Iterable[str]:
        """Return the names that this kind knows, for whoever has misspelt one."""
        return ()

    def stated_task(self) -> Task | None:
        """Return what the model is for, None if it may be for anything, or does not say it."""
        return None

    def known_task(self, cache_dir: Path) -> Task | None:
        """Return what the model is for as far as that is known on this machine."""
        return self.stated_task()

    def find_task(self, cache_dir: Path) -> Task:
        """Return what the model is for; may ask the network. Raises: FetchError."""
        return self.known_task(cache_dir) or GENERATE

    def file(self) -> Path | None:
        """Return the one file that some backend may read as it is."""
        return None

    @abstractmethod
    def present(self, wanted: Wanted, cache_dir: Path) -> Path | None:
        """Return the folder that ``make`` would return at once, None if it would fetch or convert first.

        Writes nothing and reads small files only. Raises: CacheError; OSError.
        """

    @abstractmethod
    def make(self, wanted: Wanted, cache_dir: Path, progress: Progress = silent) -> Path:
        """Return the folder to serve; fetch and convert it first if it is not there.

        What is there is found without any network. Raises: FetchError, CacheError, ConversionError.
        """

    def read(self, path: Path) -> ModelFolder:
        """Return what the folder that ``present`` or ``make`` has returned says of itself. Raises: ModelFolderError."""
        return ModelFolder.read(path)

    def check(self, wanted: Wanted) -> None:  # noqa: B027  (of most kinds nothing can)
        """Check what can be told of the model without making it, in a few tenths of a second. Raises: ModelsError."""

    def ignores(self, scheme: str) -> bool:
        """Whether the weights are used as they are, and are not known to be of this scheme."""
        return False

    def work_bytes(self, wanted: Wanted) -> int:
        """Return the free disk space without which making the folder is not begun, 0 if unknown. Raises: OSError."""
        return 0


class MadeSource(Source):
    """A source whose folder is made, and kept in the cache."""

    @abstractmethod
    def key(self, wanted: Wanted, sha256: Sha256) -> CacheKey | None:
        """Return what the folder is kept under, None if ``sha256`` has returned None. Raises: what that raises."""

    @abstractmethod
    def build(self, wanted: Wanted, key: CacheKey, work: Path, target: Path, progress: Progress) -> None:
        """Fill the empty directory ``target`` with the model folder; ``work``, empty too, is for what that takes.

        Raises: FetchError, ConversionError; OSError; what ``progress`` raises.
        """

    def present(self, wanted: Wanted, cache_dir: Path) -> Path | None:
        """Return the folder if the cache has it; one with a file whose checksum is unknown was never made."""
        cache = ModelCache(cache_dir)
        key = self.key(wanted, cache.known_sha256)
        return None if key is None else cache.find(key)

    def make(self, wanted: Wanted, cache_dir: Path, progress: Progress = silent) -> Path:
        """Return the folder of the cache, made by ``build`` if need be: checked before all of its files are read."""
        if self.present(wanted, cache_dir) is None:
            self.check(wanted)
        cache = ModelCache(cache_dir)
        key = self.key(wanted, lambda path: cache.file_sha256(path, progress))
        assert key is not None, "every checksum is known"
        return cache.get_or_build(
            key,
            lambda work, target: self.build(wanted, key, work, target, progress),
            work_bytes=self.work_bytes(wanted),
        )


def local_path(text: str) -> Path | None:
    """Return the path that a text names if there is something. Raises: ModelReferenceError for a link to nothing."""
    if not text.strip():
        raise ModelReferenceError(f"the model name is empty. {EXPECTED}")
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # "~NAME" of nobody here
        return None
    if path.is_symlink() and not path.exists():
        raise ModelReferenceError(f"{text!r} is a link to {str(path.readlink())!r}, which does not exist")
    return path if path.exists() else None


def looks_local(text: str) -> bool:
    """Whether a text can be nothing but a path."""
    return text.startswith((".", "/", "~", "\\")) or "\\" in text or Path(text).is_absolute()


def check_task(source: Source, wanted: Task) -> None:
    """Check that a source is for a task. Raises: ModelReferenceError."""
    found = source.stated_task()
    if found is not None and found != wanted:
        raise ModelReferenceError(f"the model {str(source)!r} {found.does}, but one that {wanted.does} is needed here")


def check_mmproj(source: Source, mmproj: str | None) -> None:
    """Check that a source can be read with an mmproj file that is named. Raises: ModelReferenceError."""
    if mmproj is not None and not source.takes_mmproj:
        raise ModelReferenceError(
            f"--mmproj is for a GGUF file of this machine, and {str(source)!r} is none; leave it out: that of a "
            "repository is fetched with its model"
        )


def naming(progress: Progress, name: str) -> Progress:
    """Tell the stages of several models apart."""
    return lambda stage, fraction: progress(f"{stage} {name}", fraction)
