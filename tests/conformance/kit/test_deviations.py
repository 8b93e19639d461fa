"""What the overlay widens is listed: no field that it lets say more is a surprise to a run by the document alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jan_ort_conformance.http.fuzzing.deviations import Deviations
from jan_ort_conformance.http.fuzzing.schema_fuzzing import body_schema
from jan_ort_openapi import Operation, load_spec, operations

DOCUMENT, WITH_OVERLAY = load_spec(pristine=True), load_spec()
CHECK = "negative_data_rejection"
NEEDED: dict[str, Any] = {"input": "a", "tokens": [1]}
VALUES: list[Any] = [
    None,
    1,
    -1,
    1.5,
    True,
    "x",
    {},
    [],
    [1],
    [[1]],
    ["x"],
    [None],
    [{}],
    [{"type": "text", "text": "x"}],
]
WITH_BODIES = [
    each for each in operations() if "requestBody" in DOCUMENT["paths"].get(each.path, {}).get(each.method.lower(), {})
]


def fields_of(operation: Operation) -> list[str]:
    stated = DOCUMENT["paths"][operation.path][operation.method.lower()]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    name = stated["$ref"].rsplit("/", 1)[-1]
    return list(DOCUMENT["components"]["schemas"][name]["properties"])


@pytest.mark.parametrize("operation", WITH_BODIES, ids=lambda each: each.path)
def test_a_field_that_the_overlay_widens_is_listed(operation: Operation) -> None:
    alone, widened = [body_schema(each, operation) for each in (DOCUMENT, WITH_OVERLAY)]
    listed = [each for each in Deviations.read().listed if each.check == CHECK]
    needed = {name: value for name, value in NEEDED.items() if name in fields_of(operation)}

    for name in fields_of(operation):
        bodies = {str(value): json.dumps(needed | {name: value}).encode() for value in VALUES}
        wider = {value for value, body in bodies.items() if widened(body) and not alone(body)}
        below = [f"in body - {name}: Value smaller than minimum"] if "-1" in wider else []
        types = [f"in body - {name}: Incorrect type", f"in body - {name} -> a: Incorrect type"]
        for details in ([below] if below else []) + ([types] if wider - {"-1"} else []):
            assert any(each.covers(operation.path, CHECK, detail) for each in listed for detail in details), details
