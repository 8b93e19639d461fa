"""A format that is no JSON, in one file: listed, it is found, told of earlier calls, forced, and read as it streams."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from llguidance import LLMatcher, LLTokenizer

from jan_ort.chat import formats
from jan_ort.chat.formats.base import ToolFormat
from jan_ort.chat.formats.call_grammar import CallGrammar
from jan_ort.chat.template import ChatTemplate
from jan_ort.chat.tools import Event, Tool, ToolPlan, parse_tools
from jan_ort.chat.tools.call_events import CallArguments, CallEnded, CallEvent, CallStarted, ContentDelta
from jan_ort.chat.tools.call_reader import CallReader, Opening
from jan_ort_backends.reference_tokenizer import FOLDER
from jan_ort_openapi.models import CreateChatCompletionRequest
from tests.chat.tools.parsing import PARAMETERS, call, content, parsed
from tests.http.handlers.serving import CHAT, HELLO, post, serving
from tests.serving.several import copied

TEMPLATE = r"""{% if tools %}Write <call name="function"><parameter>value</parameter></call>.
{{ tools | tojson }}{% endif %}{% for m in messages %}{{ '\n' + m.role }}: {{ m.content }}{% for call in m.tool_calls %}
{{- '<call name="' + call.function.name + '">' }}
{%- for key, value in call.function.arguments.items() %}<{{ key }}>{{ value }}</{{ key }}>{% endfor %}</call>
{%- endfor %}{% endfor %}"""


class ToyFormat(ToolFormat):
    """``<call name="x"><a>1</a></call>``; what is meant for the user may stand in ``<say>``.

    Only the schema tells a text from a number.
    """

    name = "toy"
    markers = ('<call name="',)
    openings = (Opening('<call name="'), Opening("<say>"))

    def detects(self, template: formats.TemplateView) -> bool:
        return template.knows_tools and "<call name=" in template.text

    def reader(self, opening: str, tools: Mapping[str, Tool]) -> CallReader:
        return SaidReader(tools) if opening == "<say>" else ToyReader(tools)

    def shape(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [message | {"role": "result"} if message["role"] == "tool" else message for message in messages]

    def write_grammar(self, grammar: CallGrammar) -> str:
        return grammar.lark(grammar.start('<call name="', "call"), _rules)


def _rules(at: int, tool: Tool) -> Iterator[str]:
    properties = list(tool.parameters.get("properties", {}).items())
    pairs = [f'"<{key}>" value_{at}_{number} "</{key}>"' for number, (key, _) in enumerate(properties)]
    yield " ".join([f"call_{at}:", json.dumps(f'{tool.name}">'), *pairs, '"</call>"'])
    for number, (_, schema) in enumerate(properties):
        yield f"value_{at}_{number}: " + (
            r"/[^<]{0,20}/" if schema["type"] == "string" else f"%json {json.dumps(schema)}"
        )


class ToyReader(CallReader):
    """Gives each parameter out once its tag is closed."""

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        super().__init__(tools)
        self._schemas: Mapping[str, Any] = {}
        self._before: str | None = None  # what joins the next parameter to the JSON that is out; None before the name

    def feed(self, char: str) -> Sequence[CallEvent]:
        self.rest += char
        if char != ">":
            return []
        if self._before is None:
            return self._head()
        if self.rest == "</call>":
            self.rest, self.is_done = "", True
            return [CallArguments("{}" if self._before == "{" else "}"), CallEnded()]
        if pair := re.fullmatch(r"<(\w+)>([^<]*)</\1>", self.rest):
            is_text = self._schemas.get(pair[1], {}).get("type") == "string"
            text = f'{self._before}"{pair[1]}": {json.dumps(pair[2]) if is_text else pair[2]}'
            self.rest, self._before = "", ", "
            return [CallArguments(text)]
        self.is_done = re.fullmatch(r"<\w+>", self.rest) is None
        return [CallEnded(is_complete=False)] if self.is_done else []

    def _head(self) -> Sequence[CallEvent]:
        name = self.rest.removesuffix('">')
        if name not in self.tools:
            self.is_done = True
            return []
        self._schemas = self.tools[name].parameters.get("properties", {})
        self.rest, self._before = "", "{"
        return [CallStarted(name)]

    def finish(self) -> None:
        self.is_done = True
        if self._before is not None:
            self.rest = ""


class SaidReader(CallReader):
    """Takes the tags off a text."""

    def feed(self, char: str) -> Sequence[CallEvent]:
        self.rest += char
        if not self.rest.endswith("</say>"):
            return []
        text, self.rest, self.is_done = self.rest.removesuffix("</say>"), "", True
        return [ContentDelta(text)]

    def finish(self) -> None:
        self.is_done = True


TOY = ToyFormat()
TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}},
    {"type": "function", "function": {"name": "now", "parameters": {}}},
]
CALL = '<call name="weather"><city>3011</city><days>3</days></call>'
ARGUMENTS = '{"city": "3011", "days": 3}'


@pytest.fixture(autouse=True)
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "FORMATS", (TOY, *formats.FORMATS))


def plan_of(**fields: Any) -> ToolPlan:
    plan = parse_tools(CreateChatCompletionRequest.model_validate({"tools": TOOLS, **fields}))
    assert plan is not None
    return plan


def test_it_is_found_by_its_template() -> None:
    view = formats.read_template(TEMPLATE)

    assert formats.find_format(view) is TOY
    assert formats.find_format(formats.read_template(TEMPLATE.replace("<call name=", "<do this="))).name == "described"


def test_earlier_calls_and_results_are_in_its_words() -> None:
    function = {"name": "weather", "arguments": {"city": "Bern"}}
    messages = [
        {"role": "assistant", "content": "", "tool_calls": [{"id": "1", "type": "function", "function": function}]},
        {"role": "tool", "content": "Sunny.", "tool_call_id": "1"},
    ]
    adapted = TOY.adapt(messages, plan_of(), formats.read_template(TEMPLATE))

    text = ChatTemplate(TEMPLATE).render(adapted, tools=TOY.template_tools(plan_of()))

    assert text.endswith('assistant: <call name="weather"><city>Bern</city></call>\nresult: Sunny.')
    assert '"name": "weather"' in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CALL, True),
        ('<call name="now"></call>', True),
        (f"{CALL}{CALL}", True),
        ("Hello", False),
        (CALL.replace(">3<", ">30<"), False),
        (CALL.replace("weather", "unknown"), False),
    ],
)
def test_a_forced_call_follows_its_grammar(text: str, expected: bool) -> None:
    tokenizer = LLTokenizer((FOLDER / "tokenizer.json").read_text(encoding="utf-8"))
    matcher = LLMatcher(tokenizer, TOY.grammar(plan_of(tool_choice="required")))
    token_ids = tokenizer.tokenize_str(text)

    is_allowed = matcher.try_consume_tokens(token_ids) == len(token_ids) and matcher.is_accepting()

    assert is_allowed is expected


ANSWERS: list[tuple[str, list[Event]]] = [
    (CALL, call(0, "weather", ARGUMENTS)),
    (f"Look.\n{CALL} Done.", [*content("Look."), *call(0, "weather", ARGUMENTS), *content(" Done.")]),
    (f"{CALL}\n{CALL}", [*call(0, "weather", ARGUMENTS), *call(1, "weather", ARGUMENTS)]),
    ('<call name="now"></call>', call(0, "now", "{}")),
    (f"<say>Hello <b>you</b></say>{CALL}", [*content("Hello <b>you</b>"), *call(0, "weather", ARGUMENTS)]),
    ('<call name="no"></call>', content('<call name="no"></call>')),
    ('<call name="we', content('<call name="we')),
    ("A <call> and <say>half", content("A <call> and <say>half")),
    ('<call name="weather"><days>3</days><ci', call(0, "weather", '{"days": 3')[:-1]),
    ('<call name="weather"><days>3</day></call>', [call(0, "weather", "")[0], *content("<days>3</day></call>")]),
]


@pytest.mark.parametrize(("text", "expected"), ANSWERS)
def test_an_answer_is_read_alike_however_it_is_cut(text: str, expected: list[Event]) -> None:
    cuts = [parsed(TOY, text[:at], text[at:]) for at in range(len(text) + 1)]

    assert cuts == [expected] * len(cuts)
    assert parsed(TOY, *text) == expected


async def test_a_model_that_is_taught_it_calls_over_http(tmp_path: Path) -> None:
    folder = Path(copied(tmp_path, "toy"))
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    choice = {"type": "function", "function": {"name": "weather"}}
    body = {"messages": HELLO, "tools": TOOLS, "tool_choice": choice, "max_tokens": 200, "seed": 1}

    async with serving(model=str(folder)) as app:
        status, answer = await post(app.test_client(), CHAT, body)

    assert status == 200, answer
    made = answer["choices"][0]["message"]["tool_calls"][0]["function"]
    assert made["name"] == "weather"
    assert made["arguments"].startswith('{"city": "')
