"""Reading a body: refused when it is too large, and never by what loses a cancellation."""

from __future__ import annotations

import ast
from pathlib import Path

import jan_ort
from tests.http.handlers.serving import COMPLETIONS, serving


async def test_a_body_of_unknown_size_is_refused_before_its_end() -> None:
    async with serving(max_body_bytes=2000) as app:
        headers = {"Content-Type": "application/json"}
        async with app.test_client().request(COMPLETIONS, method="POST", headers=headers) as connection:
            for _ in range(3):
                await connection.send(b" " * 800)
            await connection.receive()  # although it is not complete
            await connection.disconnect()

    assert connection.status_code == 413


def test_nothing_is_awaited_by_what_loses_a_cancellation() -> None:
    """Python 3.11's ``wait_for`` returns a result that came in the same turn; ``asyncio.timeout`` does not."""
    calls = [
        f"{path.name}:{node.lineno}"
        for path in Path(jan_ort.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("wait_for", "get_data", "get_json")
    ]

    assert calls == []
