"""Faults of the descriptor and of opening."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any, ClassVar

from jan_ort_backends import ABI, Accepts, Backend, Capability, Declines, Missing, ModelError, OpenOptions, Session
from jan_ort_backends.reference import ReferenceBackend, ReferenceSession
from jan_ort_backends.reference_tokenizer import FOLDER
from jan_ort_conformance.verdicts.verdict import Verdict
from tests.conformance.backend.broken import FaultyBackend, fault


@fault("descriptor.well_formed")
class NameWithSpaces(ReferenceBackend):
    name = "My Backend"


@fault("descriptor.well_formed")
class AbiIsANumber(ReferenceBackend):
    abi = 1  # type: ignore[assignment]


@fault("descriptor.well_formed")
class AbiIsNoVersion(ReferenceBackend):
    abi = "1.banana"


@fault("descriptor.well_formed")
class CapabilitiesInATuple(ReferenceBackend):
    capabilities = tuple(Capability)  # type: ignore[assignment]


@fault("descriptor.well_formed")
class MisspellsOpen(Backend):
    """What it inherits does nothing."""

    name, abi, capabilities = "misspelt", ABI, frozenset(Capability)

    def accepts(self, model_dir: Path) -> Any:
        return Accepts()

    def opne(self, model_dir: Path, options: OpenOptions) -> Any:
        return ReferenceBackend().open(model_dir, options)


@fault("descriptor.brings_models_it_opens")
class BuiltinModelThatIsNotThere(ReferenceBackend):
    builtin_models: ClassVar = {"gone": FOLDER / "gone"}


@fault("descriptor.probe_answers")
class ProbeRaises(ReferenceBackend):
    def probe(self) -> Any:
        raise RuntimeError("no driver")


@fault("descriptor.probe_answers")
class ProbeWithoutRemedy(ReferenceBackend):
    def probe(self) -> Any:
        return Missing("no driver", "")


@fault("descriptor.probe_answers")
class ProbeChangesItsMind(ReferenceBackend):
    asked = 0

    def probe(self) -> Any:
        self.asked += 1
        return super().probe() if self.asked % 2 else Missing("no driver", "install it")


@fault("descriptor.probe_answers")
class ProbeAnswersByTruth(ReferenceBackend):
    def probe(self) -> Any:
        return True


@fault("descriptor.accepts_its_model")
class DeclinesItsOwnModel(ReferenceBackend):
    def accepts(self, model_dir: Path) -> Any:
        return Declines("not today")


@fault("descriptor.declines_other_folders")
class AcceptsEverything(ReferenceBackend):
    def accepts(self, model_dir: Path) -> Any:
        return Accepts()


@fault("descriptor.declines_other_folders")
class DeclinesWithoutReason(ReferenceBackend):
    def accepts(self, model_dir: Path) -> Any:
        answer = super().accepts(model_dir)
        return answer if isinstance(answer, Accepts) else Declines("")


@fault("descriptor.declines_other_folders")
class AcceptsRaisesForAbsentFolders(ReferenceBackend):
    def accepts(self, model_dir: Path) -> Any:
        (model_dir / "config.json").read_bytes()
        return super().accepts(model_dir)


@fault("opening.declared_is_implemented", Verdict.LIES)
class ForkIsNotDeclared(ReferenceBackend):
    capabilities = frozenset(Capability) - {Capability.FORK}


@fault("forks.continue_like_the_source", Verdict.LIES)
class ForkWorksUndeclared(ReferenceBackend):
    capabilities = frozenset(Capability) - {Capability.FORK}


@fault("batches.mixed_rows_equal_alone", Verdict.LIES)
class MixedRowsWorkUndeclared(ReferenceBackend):
    capabilities = frozenset(Capability) - {Capability.MIXED_BATCH}


@fault("top_logits.form", Verdict.LIES)
class TopLogitsAreThereUndeclared(ReferenceBackend):
    capabilities = frozenset(Capability) - {Capability.TOP_LOGITS}


@fault("opening.declared_is_implemented", Verdict.LIES)
class EmbedIsDeclaredOnly(ReferenceSession):
    embed = Session.embed


@fault("embeddings.form", Verdict.LIES)
class EmbedIsAStub(ReferenceSession):
    def embed(self, batch: Any) -> Any:
        return Session.embed(self, batch)


@fault("opening.describes_the_session")
class NoWeightsHash(ReferenceSession):
    def __init__(self, num_slots: int, context_length: int) -> None:
        super().__init__(num_slots, context_length)
        self.info = dataclasses.replace(self.info, weights_hash="unknown")


@fault("opening.hashes_the_weights_alone")
class HashOfTheMoment(ReferenceSession):
    moments = itertools.count()

    def __init__(self, num_slots: int, context_length: int) -> None:
        super().__init__(num_slots, context_length)
        self.info = dataclasses.replace(self.info, weights_hash=f"{next(self.moments):064x}")


@fault("opening.grants_the_slots_asked_for")
class GrantsTwoSlots(ReferenceSession):
    def __init__(self, num_slots: int, context_length: int) -> None:
        super().__init__(min(num_slots, 2), context_length)


@fault("opening.grants_the_context_asked_for")
class RoundsTheContextUp(ReferenceSession):
    def __init__(self, num_slots: int, context_length: int) -> None:
        super().__init__(num_slots, -(-context_length // 512) * 512)


class _OpensAnything(FaultyBackend):
    def open(self, model_dir: Path, options: OpenOptions) -> Any:
        context_length = options.context_length or 512
        return ReferenceSession(max(options.num_slots, 1), context_length if 0 < context_length <= 512 else 512)


@fault("opening.refuses_bad_options")
class ClampsTheOptions(_OpensAnything): ...


@fault("opening.refuses_other_folders")
class OpensAnyFolder(_OpensAnything): ...


@fault("opening.refuses_bad_options")
class IgnoresUnknownOptions(ReferenceBackend):
    def open(self, model_dir: Path, options: OpenOptions) -> ReferenceSession:
        return super().open(model_dir, dataclasses.replace(options, extra={}))


@fault("opening.names_the_bad_option")
class SaysOnlyThatItFailed(ReferenceBackend):
    def open(self, model_dir: Path, options: OpenOptions) -> ReferenceSession:
        try:
            return super().open(model_dir, options)
        except ModelError as error:
            raise ModelError("the model cannot be opened") from error


@fault("opening.refuses_other_folders")
class LeaksFileNotFound(ReferenceBackend):
    def open(self, model_dir: Path, options: OpenOptions) -> ReferenceSession:
        (model_dir / "config.json").read_bytes()
        return super().open(model_dir, options)


@fault("opening.refuses_broken_files")
class LeaksItsParsersError(ReferenceBackend):
    def open(self, model_dir: Path, options: OpenOptions) -> ReferenceSession:
        if (model_dir / "config.json").exists():
            json.loads((model_dir / "config.json").read_bytes())
        return super().open(model_dir, options)


@fault("opening.refuses_broken_files")
class AcceptsRaisesForABrokenFile(ReferenceBackend):
    def accepts(self, model_dir: Path) -> Any:
        if (model_dir / "generation_config.json").exists():
            json.loads((model_dir / "generation_config.json").read_bytes())
        return super().accepts(model_dir)
