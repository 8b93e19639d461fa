"""Every line of complaints.jsonl: what went wrong elsewhere goes right here."""

from __future__ import annotations

from tests.http.cases.case_lines import COMPLAINTS, Line
from tests.http.cases.complaints import endpoints, fields, schemas, streams, tools
from tests.http.handlers.serving import Client

THEMES = (streams, tools, schemas, fields, endpoints)
"""Each registers its checks when it is imported."""


def test_each_line_has_a_check() -> None:
    assert COMPLAINTS.uncovered() == set()


@COMPLAINTS.parametrized()
async def test_a_line_goes_right(client: Client, line: Line) -> None:
    await COMPLAINTS.run(client, line)
