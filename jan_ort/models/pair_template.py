"""The text that a pair of texts is put into, for models that are asked whether one answers the other (hop 3)."""

from __future__ import annotations

import re

from jan_ort.models.control_tokens import ControlTokens, MarkedText

_PLACES = re.compile(r"\{(query|document)\}")


class PairTemplate:
    """``template`` has the texts at ``{query}`` and ``{document}``; its control tokens are its own, and no text's."""

    def __init__(self, template: str, controls: ControlTokens) -> None:
        self._template = template
        self._controls = controls

    def filled(self, query: str, document: str) -> MarkedText:
        """Return the marked text of a pair. Raises: ValueError where the texts have used up nearly all characters."""
        texts = {"query": query, "document": document}
        stand_ins = {}
        if any(map(self._controls.are_in, texts.values())):
            stand_ins = self._controls.stand_ins([*texts.values(), self._template])
            texts = {name: self._controls.marked(text, stand_ins) for name, text in texts.items()}
        return MarkedText(_PLACES.sub(lambda found: texts[found[1]], self._template), stand_ins)
