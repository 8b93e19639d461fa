"""How evenly Ray's router spreads conversations, and how many move when a replica leaves: its own code, no servers."""

from __future__ import annotations

import argparse
import collections
import random

from ray.serve._private.common import DeploymentID, ReplicaID
from ray.serve.experimental.consistent_hash_router import ConsistentHashRouter

from jan_ort.http.session_id import session_name


class Ring(ConsistentHashRouter):
    """The router's ring alone."""

    def __init__(self, names: list[str], num_virtual_nodes: int) -> None:
        self._num_virtual_nodes, self._num_fallback_replicas = num_virtual_nodes, 0
        self._deployment_id = DeploymentID(name="jan-ort", app_name="ring")
        self._rebuild_ring(frozenset(ReplicaID(each, self._deployment_id) for each in names))

    def owner(self, session: str) -> str:
        return self._lookup_ranked_replicas(session)[0].unique_id


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicas", type=int, default=16)
    parser.add_argument("--conversations", type=int, default=10_000)
    parser.add_argument("--rings", type=int, default=20, help="rings of other names, of which the worst counts")
    options = parser.parse_args()
    sessions = [session_name(f"conversation {number}") for number in range(options.conversations)]
    for num_virtual_nodes in (100, 500):
        draw, fullest, moved, astray = random.Random(1), 0.0, 0.0, 0
        for _ in range(options.rings):
            names = [
                "".join(draw.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=8)) for _ in range(options.replicas)
            ]
            before, after = Ring(names, num_virtual_nodes), Ring(names[1:], num_virtual_nodes)
            owners = {each: before.owner(each) for each in sessions}
            fullest = max(
                fullest, max(collections.Counter(owners.values()).values()) * options.replicas / len(sessions)
            )
            moves = [each for each in sessions if after.owner(each) != owners[each]]
            moved = max(moved, len(moves) / len(sessions))
            astray += sum(owners[each] != names[0] for each in moves)
        print(
            f"{num_virtual_nodes} virtual nodes: the fullest of {options.replicas} has {fullest:.2f} x the mean; "
            f"{moved:.1%} of the conversations move when one leaves (1/{options.replicas} is "
            f"{1 / options.replicas:.1%}), {astray} of them of another replica"
        )


if __name__ == "__main__":
    main()
