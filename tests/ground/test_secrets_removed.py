"""What must not leave a machine is found however it is written, and the rest of a text stays as it was."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from jan_ort.ground.secrets_removed import SecretRemover

HOME = Path("/home/zelda")


@pytest.fixture(autouse=True)
def no_secrets_of_this_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "os.environ",
        {
            "PATH": "/usr/bin",
            "HF_TOKEN": "from-the-environment",
            "DB_PASSWORD": "hunter2!",
            "OTLP_HEADERS": "a=1,x-team=of-a-header",
        },
    )


@pytest.mark.parametrize(
    "text",
    [
        "the key is sesame-42",
        'a key in JSON: "api_key": "other-one"',
        "from-the-environment",
        "password hunter2! in clear",
        "hunter2%21 in a URL",
        "https://zelda:opensesame@models.example/simple/",
        "git+https://opensesame@git.example/x",
        "Authorization: Bearer opensesame",
        "Authorization: Token opensesame",
        "{'authorization': 'ApiKey opensesame'}",
        "AccountKey=opensesame; x-team: of-a-header",
        "ya29.opensesame-1234",
        "--api-key opensesame",
        "Authorization: Basic emVsZGE6b3BlbnNlc2FtZQ==",
        "hf_abcdefABCDEF123456",
        "sk-proj-abcdefABCDEF123456",
        "ghp_abcdefABCDEF123456 github_pat_11ABCDEFG0abc",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdef",
        "https://models.example/m?se=1&sig=opensesame https://models.example/m?key=opensesame",
        "Cookie: session=opensesame; other=sesame",
        "-----BEGIN RSA PRIVATE KEY-----\nopensesame\n+sesame\n-----END RSA PRIVATE KEY-----",
        "jan-ort serve --api-key opensesame --admin-key sesame-1",
        "AIzaSyAsesame1234567890abcdefghijklmnop",
        "http://zelda:p@opensesame@proxy.example:8080",
        "https://models.example/m?token=opensesame&x=1",
        "--backend-option api_key=opensesame",
        "HF_TOKEN=opensesame",
        "{'password': 'opensesame'}",
        '"secret_key": "opensesame"',
        "/home/zelda/models/m.gguf",
        "/mnt/data/zelda/m.gguf",
        "/home/link/m.gguf and /Users/ganon/m",
        r"C:\Users\Zelda Hyrule\models\m.gguf",
        json.dumps(r"C:\Users\Zelda Hyrule\models\m.gguf"),
        "file:///home/zelda/m",
        "c2VzYW1lLTQy",
    ],
)
def test_a_secret_is_hidden(text: str) -> None:
    shown = SecretRemover(["sesame-42", None, ""], home=HOME).text(text)

    secrets = ("sesame", "other-one", "from-the", "of-a-header", "hunter2", "zelda", "hyrule", "link", "ganon")
    assert [
        each for each in (*secrets, "abcdef", "akia", "emvsz", "eyj", "11abc", "c2vz") if each in shown.lower()
    ] == []
    assert "***" in shown or "~" in shown


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-30 04:57:29,028 INFO jan_ort.http.launcher: listening on http://127.0.0.1:8914",
        "cmpl-3dba: 2 prompt tokens (0 cached), 2 completion tokens, first after 0.014 s, 128.1 tokens/s",
        "/usr/lib/python3.11/site-packages/onnxruntime/capi/x.py",
        r"C:\Program Files\Python\python.exe",
        "mail to nobody@models.example about smollm2@cuda",
        "max_tokens: 512, num_slots 8",
        '"api_key": null',
        "the token a b is unknown",
        "/homes/x",
        "set --api-key or --token in a flag; jan-ort serve --api-key --port 8080",
        "a cookie, and https://models.example/m?rev=main&keys=1",
    ],
)
def test_nothing_else_is_changed(text: str) -> None:
    assert SecretRemover(["sesame-42"], home=HOME).text(text) == text


def test_a_home_folder_is_a_tilde() -> None:
    remover = SecretRemover(home=HOME)

    assert remover.text("/home/zelda/.cache/jan-ort") == "~/.cache/jan-ort"
    assert remover.text("/home/zelda") == "~"


def test_a_value_is_searched_at_every_depth() -> None:
    value = {"sesame-42": ["x", ("sesame-42", {"a": "-sesame-42-"})], "n": 1, "none": None, "true": True}

    removed = SecretRemover(["sesame-42"], home=HOME).value(value)

    assert removed == {"***": ["x", ["***", {"a": "-***-"}]], "n": 1, "none": None, "true": True}


@pytest.mark.parametrize("home", [Path("/"), Path("/root")])
def test_a_home_of_no_person_spoils_no_paths(home: Path) -> None:
    assert SecretRemover(home=home).text("/usr/lib/x") == "/usr/lib/x"


SECRET = "a?>~ö b/88+'c"


@pytest.mark.parametrize(
    "spelt",
    [
        json.dumps(json.dumps(SECRET)),
        repr(SECRET),
        repr(SECRET.encode()),
        repr(SECRET.encode("latin-1")),
        SECRET.encode().decode("latin-1"),
        "a%3F%3E~%C3%B6%20b%2F88%2B%27c a%3f%3e~%c3%b6%20b%2f88%2b%27c a%3F%3E~%C3%B6%20b/88%2B%27c",
        "a%3F%3E~%C3%B6+b%2F88%2B%27c",
        base64.b64encode(SECRET.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)
def test_a_known_secret_is_found_however_it_is_written(spelt: str) -> None:
    shown = SecretRemover([SECRET], home=HOME).known(spelt)

    assert {"***"} >= set(shown.strip("b\\'\"=").split())
