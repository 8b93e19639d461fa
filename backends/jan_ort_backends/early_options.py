"""What a backend may say of its own options before a model is fetched for it."""

from __future__ import annotations

from collections.abc import Mapping

from jan_ort_backends.errors import BackendError
from jan_ort_backends.failure_text import message_line
from jan_ort_backends.interface import Backend
from jan_ort_backends.isolation import LIMIT_S, reason_of, within


def why_not_options(backend: Backend, extra: Mapping[str, str], limit_s: float = LIMIT_S) -> str | None:
    """Return why ``backend.check_options(extra)`` refuses the options, None if it takes them.

    The method is optional: it raises ModelError naming the option, as ``open`` would, without any model.
    """
    try:
        within(lambda: _check(backend, extra), limit_s)
    except KeyboardInterrupt:
        raise
    except BackendError as error:
        return message_line(error)
    except BaseException as error:  # of a plugin: SystemExit, a hang
        return reason_of(error)
    return None


def _check(backend: Backend, extra: Mapping[str, str]) -> None:
    check = getattr(backend, "check_options", None)
    if check is not None:
        check(dict(extra))
