"""The errors of finding, fetching, converting and reading models."""

from __future__ import annotations


class ModelsError(Exception):
    """Raised when a model cannot be had; the base of every error below. Messages are one line and name the remedy."""


class ModelReferenceError(ModelsError):
    """Raised when a model reference cannot be right, before any work is started."""


class FetchError(ModelsError):
    """Raised when a model cannot be downloaded: no network, an index or hub that refuses, a wrong checksum."""


class CacheError(ModelsError):
    """Raised when the cache directory cannot be used: not writable, or the disk is full."""


class ModelFolderError(ModelsError):
    """Raised when a folder is not a model folder; the message lists what is missing or wrong."""


class ModelTooLarge(ModelsError):
    """Raised when a model does not fit in memory with its KV cache; the message has the sum."""


class ConversionError(ModelsError):
    """Raised when a source model cannot be converted; the message names the file and the remedy."""


class UnknownTokenizer(ConversionError):
    """Raised when a file's tokenizer is of a kind that is not translated; what reads the file may know it."""
