"""Backends that take their process with them; judged in a child process by module:attribute."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from jan_ort_backends import SlotTokens, StepOutput
from jan_ort_backends.reference import ReferenceSession
from tests.conformance.backend.broken import FaultyBackend


class ExitingSession(ReferenceSession):
    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        sys.stderr.write("the driver is gone\n")
        sys.stderr.flush()
        os._exit(3)


class RaisingExitSession(ReferenceSession):
    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        sys.exit("the driver is gone")


class CrashingSession(ReferenceSession):
    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        ctypes.string_at(0)
        return super().step(batch)


class HangingSession(ReferenceSession):
    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        while True:
            time.sleep(0.05)


class SaltedHashSession(ReferenceSession):
    def __init__(self, num_slots: int, context_length: int) -> None:
        super().__init__(num_slots, context_length)
        self.info = replace(self.info, weights_hash=f"{abs(hash('weights')):064x}")


class SaltedHash(FaultyBackend):
    session_class = SaltedHashSession


class Exiting(FaultyBackend):
    session_class = ExitingSession


class RaisingExit(FaultyBackend):
    session_class = RaisingExitSession


class Crashing(FaultyBackend):
    session_class = CrashingSession


class Hanging(FaultyBackend):
    session_class = HangingSession
