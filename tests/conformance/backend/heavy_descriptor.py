"""A backend whose module imports a runtime at once and takes its time."""

import time

import onnxruntime

from jan_ort_backends.reference import ReferenceBackend

time.sleep(0.6)
backend = ReferenceBackend()
RUNTIME_VERSION = onnxruntime.__version__
