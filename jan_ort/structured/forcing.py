"""How much a grammar may force at once, and what keeps one from forcing anything (hop 3)."""

from __future__ import annotations

MAX_FORCED = 2048
"""Characters that a grammar may force at once: each takes some 5 microseconds of a step, which others share.

One that may force more forces nothing: the model is asked for every token.
"""

NO_FORCING = '%llguidance {"no_forcing": true}\n'
"""What a grammar in the matcher's language begins with then."""
