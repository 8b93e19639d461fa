"""The key is hidden in every spelling, and a wrong key that is made of it too."""

from __future__ import annotations

import json
import subprocess
import sys
from urllib.parse import quote

import pytest

from jan_ort_conformance.http.server.api_key import expressions, filled, hidden
from jan_ort_conformance.http.server.sent_request import SentRequest
from jan_ort_conformance.verdicts.results import Case, Results
from jan_ort_conformance.verdicts.verdict import Verdict

KEY = "sk-\"é'/secret"
PLAIN = "Sk-secret"


@pytest.mark.parametrize("spelt", [KEY, json.dumps(KEY), repr(KEY), json.dumps(KEY, ensure_ascii=False), quote(KEY)])
def test_a_key_is_hidden_however_it_is_spelt(spelt: str) -> None:
    told = hidden(f"the server said {spelt}!", KEY)

    assert "secret" not in told
    assert "$JAN_ORT_KEY" in told


def test_what_is_made_of_a_key_is_hidden_too() -> None:
    told = hidden(f"{KEY[:-1]} {KEY.upper()} {KEY.lower()} {KEY}x", KEY)

    assert told == "${JAN_ORT_KEY%?} ${JAN_ORT_KEY^^} $JAN_ORT_KEY $JAN_ORT_KEYx"


def test_a_run_has_the_key_in_none_of_its_texts() -> None:
    case = Case("a.b", Verdict.FAIL, detail=f"said {KEY}", repeat=f"curl {KEY}")
    results = Results("http", f"http://{KEY}", {"a": KEY}, [case], [KEY])

    told = results.told(lambda text: hidden(text, KEY))

    assert "secret" not in told.to_json()
    assert told.cases[0].detail == "said $JAN_ORT_KEY"


@pytest.mark.skipif(sys.platform == "win32", reason="the lines are for a POSIX shell")
@pytest.mark.parametrize("expression", expressions(PLAIN))
def test_a_shell_gives_each_expression_the_value_that_is_sent(expression: str) -> None:
    line = SentRequest("GET", "http://x", {}, None, f"Bearer {expression}").curl().replace("curl", "printf '%s\\n'", 1)

    run = subprocess.run(["bash", "-c", line], env={"JAN_ORT_KEY": PLAIN}, capture_output=True, text=True, check=True)

    assert f"Authorization: Bearer {filled(expression, PLAIN)}" in run.stdout.replace("\\", "")
