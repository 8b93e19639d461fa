"""The backend ``sleeping``: a device of fixed speed, whose steps take ``STEP_S`` seconds whatever is in them."""

from __future__ import annotations

SLEEPING = """
import os, time
from jan_ort_backends.reference import ReferenceBackend, ReferenceSession


class Session(ReferenceSession):
    def step(self, batch):
        time.sleep(float(os.environ["STEP_S"]))
        return super().step(batch)


class Sleeping(ReferenceBackend):
    builtin_models = {"reference": ReferenceBackend.builtin_models["reference"]}
    name = "sleeping"

    def open(self, model_dir, options):
        return Session(options.num_slots, 2048)


backend = Sleeping()
"""
