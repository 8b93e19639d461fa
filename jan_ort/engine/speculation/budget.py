"""Whether drafts are worth what they cost: every stream must gain by them, and has little to lose (hop 5)."""

from __future__ import annotations

from dataclasses import dataclass

SHARE = 0.01
"""Of the time that a sequence's tokens take, drafts may lose this part."""

STAKES = 0.25, 2.0
"""Steps that a sequence may lose before it has any tokens: after sequences that lost, and after some that gained."""

MOST_CREDIT = 4.0
"""Steps that a sequence may lose after drafts that gained as much."""


@dataclass(slots=True)
class _Account:
    """What one sequence's drafts have lost, in steps without any, less what they have gained."""

    stake: float
    lost: float = 0.0


class Budget:
    """What each sequence that decodes may lose, by its id. Steps are counted in what one without drafts takes."""

    def __init__(self) -> None:
        self._accounts: dict[int, _Account] = {}
        self._stake = STAKES[1]

    def left(self, sequence_id: int, num_generated: int) -> float:
        """Return how many steps a sequence may lose that has so many tokens."""
        account = self._accounts.get(sequence_id)
        if account is None:
            account = self._accounts[sequence_id] = _Account(self._stake)
        return account.stake + SHARE * num_generated - account.lost

    def note(self, sequence_id: int, price: float, num_taken: int) -> None:
        """Note that a step, as long as ``price`` steps, gave a sequence so many tokens; nothing if it has ended."""
        account = self._accounts.get(sequence_id)
        if account is not None:
            account.lost = max(account.lost + price - num_taken, -MOST_CREDIT)

    def end(self, sequence_id: int) -> None:
        """Close a sequence's account, if it has one: after a loss the next ones begin with less."""
        account = self._accounts.pop(sequence_id, None)
        if account is not None and account.lost:
            least, most = STAKES
            self._stake = most if account.lost < 0 else max(least, self._stake / 2)
