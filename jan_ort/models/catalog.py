"""What a model is for."""

from __future__ import annotations

from typing import Literal

Task = Literal["generate", "embed"]
