"""The server and the command line keep going beside broken plugins, and over a backend whose steps fail."""

from __future__ import annotations

import textwrap

import pytest
from click.testing import CliRunner

from jan_ort.cli.program import main
from tests.backends.plugins import Plugins
from tests.http.handlers.serving import COMPLETIONS, post, serving, text_of
from tests.plugins.step_faults import ROW_FAULTS, STEP_FAULTS


def break_everything(plugins: Plugins) -> None:
    """Install plugins that fail at every stage; their names come before those of the sound ones."""
    plugins.install("a-import", "raise RuntimeError('broken')")
    plugins.install("a-exit", "import sys\nsys.exit(3)")
    plugins.install("a-nothing", "backend = None")
    plugins.install_backend("a-probe", backend="def probe(self):\n    raise OSError('no driver')")
    plugins.install_backend("a-probe-exit", backend="def probe(self):\n    sys.exit(2)")
    plugins.install_backend("a-accepts", backend="def accepts(self, model_dir):\n    raise OSError('unreadable')")


async def test_a_sound_backend_serves_beside_all_kinds_of_broken_ones(plugins: Plugins) -> None:
    async with serving(model="reference") as app:
        expected = await text_of(app.test_client(), max_tokens=8)
    break_everything(plugins)

    async with serving(backend=None, model="reference") as app:
        text = await text_of(app.test_client(), max_tokens=8)

    assert text == expected


def test_the_command_lists_the_broken_ones_with_their_reasons(plugins: Plugins) -> None:
    break_everything(plugins)

    result = CliRunner().invoke(main, ["backends"])

    assert result.exit_code == 0
    for reason in ("RuntimeError: broken", "SystemExit: 3", "it lacks name", "no driver", "SystemExit: 2"):
        assert reason in result.stdout


FAULTS = STEP_FAULTS | ROW_FAULTS | {"raise KeyboardInterrupt": "raised KeyboardInterrupt in step"}
"""Of the server's threads none but the main one is interrupted by the user."""


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_faulty_step_is_the_error_of_its_request_alone(plugins: Plugins, fault: str) -> None:
    plugins.install_backend("faulty", session=f"def fault(self, output):\n{textwrap.indent(fault, '    ')}")

    async with serving(backend="faulty") as app:
        client = app.test_client()
        before = await text_of(client, prompt="Hello", max_tokens=4)
        status, answer = await post(client, COMPLETIONS, {"prompt": "!", "max_tokens": 4})
        after = await text_of(client, prompt="Hello", max_tokens=4)

    assert (status, answer["error"]["code"]) == (500, "backend_failed")
    assert FAULTS[fault] in answer["error"]["message"]
    assert after == before


@pytest.mark.parametrize("fault", ["raise OSError('no \\udcff')", "raise OSError('no' + ' ' + 3_000_000 * 'x')"])
async def test_a_message_that_no_client_could_be_sent_is_still_an_event_of_its_stream(
    plugins: Plugins, fault: str
) -> None:
    plugins.install_backend("faulty", session=f"def fault(self, output):\n    {fault}")

    async with serving(backend="faulty") as app:
        response = await app.test_client().post(COMPLETIONS, json={"prompt": "!", "stream": True})
        events = (await response.get_data(as_text=True)).strip().split("\n\n")

    assert "raised OSError in step: no " in events[-1]
    assert len(events[-1]) < 2000
