"""Run one check in this process and turn what came of it into a case."""

from __future__ import annotations

import sys
import time
import traceback
from pathlib import Path
from types import ModuleType

from jan_ort_backends import Backend, Unsupported
from jan_ort_conformance.backend.check_tools.backend_check import BackendCheck
from jan_ort_conformance.backend.check_tools.fixture import Fixture
from jan_ort_conformance.backend.judging.refusals import refuse
from jan_ort_conformance.backend.subject import Subject
from jan_ort_conformance.verdicts.results import Case
from jan_ort_conformance.verdicts.verdict import Verdict, Violation

NUM_LAST_FRAMES = 3


def judge_backend_check(check: BackendCheck, subject: Subject) -> Case:
    """Return the check's case; whatever the backend raises becomes the detail of a FAIL."""
    started = time.perf_counter()
    verdict, detail = _verdict(check, subject)
    return Case(
        check.id, verdict, check.level, detail, subject.repeat(check.id, check.level), time.perf_counter() - started
    )


def _verdict(check: BackendCheck, subject: Subject) -> tuple[Verdict, str]:
    try:
        with Fixture(subject) as fixture:
            absent = [capability for capability in check.needs if capability not in fixture.able]
            if absent:
                refuse(fixture, absent[0])
            return Verdict.PASS, check.run(fixture) or ""
    except Violation as violation:
        return violation.verdict, f"{violation}" if violation.verdict is Verdict.UNSUPPORTED else _told(
            check, violation
        )
    except Unsupported as error:
        return Verdict.LIES, _told(check, f"{error.capability} is declared, and the session says: {error}")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a backend that calls sys.exit() is judged too
        return Verdict.FAIL, _told(check, f"{type(error).__name__}: {error}\n{where_raised(error, subject.backend)}")


def _told(check: BackendCheck, seen: object) -> str:
    return f"{seen}\npromised: {check.promise}"


def where_raised(error: BaseException, backend: Backend) -> str:
    """Return the last frames of the error, as its author looks for it.

    If none of them is of the backend's package, its last one comes first.
    """
    frames = list(traceback.extract_tb(error.__traceback__))
    own = [frame for frame in frames if _is_below(Path(frame.filename), _places(backend))]
    shown = frames[-NUM_LAST_FRAMES:]
    if own and own[-1] not in shown:
        shown = [own[-1], *shown]
    return "".join(traceback.format_list(shown))


def _places(backend: Backend) -> list[Path]:
    """Return the folders of the backend's top-level package, or the file of a module that is in none."""
    name = backend.__name__ if isinstance(backend, ModuleType) else type(backend).__module__
    module = sys.modules.get(name.partition(".")[0])
    folders = [Path(place).resolve() for place in getattr(module, "__path__", ())]
    file = getattr(module, "__file__", None)
    return folders or ([Path(file).resolve()] if file else [])


def _is_below(path: Path, places: list[Path]) -> bool:
    return any(path.resolve().is_relative_to(place) for place in places)
