"""Split a step into runs of one row, for attention that takes several tokens only at the beginning of a sequence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import SlotTokens
from jan_ort_onnxruntime.sessions.step_plan import Run


def plan_alone(batch: Sequence[SlotTokens], rows: Sequence[int], held: Sequence[NDArray[np.int64]]) -> list[Run]:
    """Plan a step; ``rows`` gives each slot's KV row and ``held`` its tokens so far, int64 ``(length,)``.

    One token follows on what the row holds. Several tokens run together with all that came before them, from the
    beginning: that writes the same keys and values again, and is one run instead of one for each token.
    """
    runs, first_output = [], 0
    for item in batch:
        past = held[item.slot]
        token_ids = item.token_ids if len(item.token_ids) == 1 else np.concatenate([past, item.token_ids])
        total = len(past) + len(item.token_ids)
        runs.append(
            Run(
                first_row=rows[item.slot],
                token_ids=token_ids[np.newaxis],
                seqlens_k=np.array([total - 1], np.int32),
                logits_rows=np.arange(len(token_ids) - item.num_logits, len(token_ids)),
                output_rows=tuple(range(first_output, first_output + item.num_logits)),
            )
        )
        first_output += item.num_logits
    return runs
