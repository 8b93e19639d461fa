"""Opening a model: what is granted, what is refused, and what the session says of itself."""

from __future__ import annotations

import re

from jan_ort_backends import BackendError, Capability, ModelError, OpenOptions, SessionInfo, check_session
from jan_ort_conformance.backend.check_tools.backend_check import check
from jan_ort_conformance.backend.check_tools.expectations import expect_error
from jan_ort_conformance.backend.check_tools.fixture import Fixture
from jan_ort_conformance.backend.check_tools.rewriting_session import RewritingSession
from jan_ort_conformance.backend.isolation.child_process import ask_child, write_answer
from jan_ort_conformance.backend.subject import Subject
from jan_ort_conformance.verdicts.verdict import Level, Lie, NotThere, expect

OPEN_LIMIT_S = 60.0
_HASH = ("-c", f"import sys; from {__name__} import answer_hash; answer_hash(*sys.argv[1:])")


@check("opening.declared_is_implemented")
def declared_is_implemented(fixture: Fixture) -> None:
    """The session overrides the methods of each declared capability, and no others."""
    session = fixture.session
    try:
        check_session(fixture.subject.backend, session.original if isinstance(session, RewritingSession) else session)
    except BackendError as error:
        raise Lie(str(error)) from error


@check("opening.describes_the_session")
def describes_the_session(fixture: Fixture) -> None:
    """``info`` has plain numbers, a device that is named, and the weights' hash as hex digits."""
    session_info = fixture.session.info
    expect(isinstance(session_info, SessionInfo), f"info is a {type(session_info).__name__}")
    for name in ("vocab_size", "context_length", "num_slots", "embedding_size"):
        number = getattr(session_info, name)
        expect(type(number) is int and number >= 0, f"info.{name} is {number!r}")
    expect(session_info.context_length > 0, "info.context_length is 0")
    expect(
        session_info.device.requested and session_info.device.used, f"the device is not named: {session_info.device}"
    )
    digest = session_info.weights_hash
    expect(re.fullmatch(r"[0-9a-f]{16,}", digest), f"weights_hash {digest!r} is not 16 or more lower-case hex digits")


@check("opening.grants_the_slots_asked_for", Capability.GENERATE)
def grants_the_slots_asked_for(fixture: Fixture) -> None:
    """``num_slots`` is granted as asked, and every slot can be used."""
    for num_slots in (1, 3):
        writer = fixture.open(num_slots=num_slots)
        granted = writer.session.info.num_slots
        expect(granted == num_slots, f"{num_slots} slots were asked for and {granted} are granted")
        for slot in range(num_slots):
            writer.append(slot, 2)
        expect(writer.lengths() == [2] * num_slots, f"after 2 tokens each, the lengths are {writer.lengths()}")


@check("opening.grants_the_context_asked_for")
def grants_the_context_asked_for(fixture: Fixture) -> None:
    """``context_length`` is granted as asked, and None means the model's own."""
    own = fixture.open(num_slots=1, context_length=None).session.info.context_length
    for asked in (own, own // 2):
        granted = fixture.open(num_slots=1, context_length=asked).session.info.context_length
        expect(granted == asked, f"a context length of {asked} was asked for and {granted} is granted")


@check("opening.refuses_bad_options")
def refuses_bad_options(fixture: Fixture) -> None:
    """``open`` raises ModelError for options that cannot be had."""
    own = fixture.open(num_slots=1, context_length=None).session.info.context_length
    for options in (
        OpenOptions(num_slots=0),
        OpenOptions(num_slots=-1),
        OpenOptions(context_length=0),
        OpenOptions(context_length=-5),
        OpenOptions(context_length=own + 1),
        OpenOptions(extra={"jan_ort_kit_nonsense": "1"}),
    ):
        _refused(fixture, options)


@check("opening.names_the_bad_option", level=Level.STRICT)
def names_the_bad_option(fixture: Fixture) -> None:
    """The message of that ModelError names the option and its value."""
    own = fixture.open(num_slots=1, context_length=None).session.info.context_length
    for options, words in (
        (OpenOptions(num_slots=0), ("num_slots", "0")),
        (OpenOptions(context_length=own + 1), ("context_length", str(own + 1), str(own))),
        (OpenOptions(extra={"jan_ort_kit_nonsense": "1"}), ("jan_ort_kit_nonsense",)),
    ):
        message = str(_refused(fixture, options))
        absent = [word for word in words if word not in message]
        expect(not absent, f"the message for {options} does not say {', '.join(absent)}: {message}")


@check("opening.refuses_other_folders")
def refuses_other_folders(fixture: Fixture) -> None:
    """``open`` raises ModelError for a folder that is empty or absent."""
    folder = fixture.empty_folder()
    for path in (folder, folder / "absent"):
        expect_error(ModelError, lambda path=path: fixture.subject.backend.open(path, OpenOptions()), f"open({path})")  # type: ignore[misc]


@check("opening.hashes_the_weights_alone", level=Level.FULL)
def hashes_the_weights_alone(fixture: Fixture) -> None:
    """``weights_hash`` is the same whenever the model is opened, however many slots are asked for."""
    hashes = {
        fixture.open(num_slots=num_slots, context_length=None).session.info.weights_hash for num_slots in (1, 2, 1)
    }
    expect(len(hashes) == 1, f"three sessions of one model have the hashes {', '.join(sorted(hashes))}")


@check("opening.hashes_alike_in_every_process", level=Level.FULL)
def hashes_alike_in_every_process(fixture: Fixture) -> None:
    """``weights_hash`` is the same in another process, so that two replicas of a server can be compared."""
    subject = fixture.subject
    if not subject.target:
        raise NotThere("the backend was given as an object, which another process cannot load")
    ended = ask_child(_HASH, (subject.to_json(),), OPEN_LIMIT_S)
    expect(
        ended.answer is not None, f"opening the model in another process failed: {ended.told}\n{ended.stderr[-500:]}"
    )
    here, there = fixture.session.info.weights_hash, ended.answer
    expect(here == there, f"weights_hash is {here} in this process and {there} in another")


def answer_hash(answer_path: str, subject_json: str) -> None:
    """Write the hash of the subject's weights, as this process has it."""
    session = Subject.from_json(subject_json).open(num_slots=1, context_length=None)
    write_answer(answer_path, session.info.weights_hash)
    session.close()


def _refused(fixture: Fixture, options: OpenOptions) -> ModelError:
    subject = fixture.subject
    return expect_error(ModelError, lambda: subject.backend.open(subject.model_dir, options), f"open with {options}")
