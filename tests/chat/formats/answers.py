"""For each format: a template of its kind, and an answer with two calls as its models write them."""

from __future__ import annotations

from typing import NamedTuple

_TOOLS = "{% if tools %}{{ tools | tojson }}{% endif %}"
_TURNS = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n"
_CALLS = "{% for call in m.tool_calls %}"
_END = "{% endfor %}{% endfor %}"


def _template(call: str) -> str:
    return f"{_TOOLS}{_TURNS}{_CALLS}{call}{_END}"


class Example(NamedTuple):
    """``answer`` has ``num_calls``: of weather for Bern, and of now; ``forced`` is what a grammar has of it."""

    template: str
    answer: str
    forced: str
    num_calls: int = 2


BERN = '{"city": "Bern", "days": 3}'
_HERMES = '<tool_call>\n{"name": "weather", "arguments": ' + BERN + "}\n</tool_call>"
_HERMES_NOW = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
_NAME = "{{ call.function.name }}"
_ARGUMENTS = "{{ call.function.arguments | tojson }}"
_OBJECTS = '[{"name": "weather", "arguments": ' + BERN + '}, {"name": "now", "arguments": {}}]'
_CODER = (
    "<tool_call>\n<function=weather>\n<parameter=city>\nBern\n</parameter>\n<parameter=days>\n3\n</parameter>\n"
    "</function>\n</tool_call>"
)
_GLM = (
    "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Bern</arg_value>\n"
    "<arg_key>days</arg_key>\n<arg_value>3</arg_value>\n</tool_call>"
)
_DEEPSEEK = (
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n"
    + BERN
    + "\n```<｜tool▁call▁end｜>\n"
    "<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
)
_DEEPSEEK_BARE = (
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>" + BERN + "<｜tool▁call▁end｜>"
    "<｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
)
_KIMI = (
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>"
    + BERN
    + "<|tool_call_end|><|tool_call_begin|>functions.now:1<|tool_call_argument_begin|>{}<|tool_call_end|>"
    "<|tool_calls_section_end|>"
)
_COMMAND_R = (
    '<|START_ACTION|>[\n    {"tool_call_id": "0", "tool_name": "weather", "parameters": ' + BERN + "},\n"
    '    {"tool_call_id": "1", "tool_name": "now", "parameters": {}}\n]<|END_ACTION|>'
)
_COMMAND_R_PLUS = (
    'Action:\n```json\n[\n    {\n        "tool_name": "weather",\n        "parameters": ' + BERN + "\n    },\n"
    '    {\n        "tool_name": "now",\n        "parameters": {}\n    }\n]\n```'
)
_PYTHON = 'weather(city="Bern", days=3), now()'

EXAMPLES: dict[str, Example] = {
    "hermes": Example(
        _template("<tool_call>{{ call.function | tojson }}</tool_call>"),
        f"{_HERMES}\n{_HERMES_NOW}",
        f"{_HERMES}\n{_HERMES_NOW}",
    ),
    "llama3": Example(
        _template("Environment: ipython {{ '{\"name\": ' }}{{ '\"parameters\": ' }}" + _ARGUMENTS),
        f'{{"name": "weather", "parameters": {BERN}}}; {{"name": "now", "parameters": {{}}}}',
        f'{{"name": "weather", "parameters": {BERN}}}',
    ),
    "llama4": Example(
        _template("Use exact format: [func_name1(param1=value1), func_name2(...)] [" + _NAME + "()]"),
        f"[{_PYTHON}]",
        f"[{_PYTHON}]",
    ),
    "mistral": Example(
        _template("{{ '[TOOL_CALLS] [' }}{{ call.function | tojson }}]"),
        f"[TOOL_CALLS] {_OBJECTS}",
        f"[TOOL_CALLS] {_OBJECTS}",
    ),
    "mistral_args": Example(
        _template("{{ '[TOOL_CALLS]' + call.function.name + '[ARGS]' }}" + _ARGUMENTS),
        f"[TOOL_CALLS]weather[ARGS]{BERN}[TOOL_CALLS]now[ARGS]{{}}",
        f"[TOOL_CALLS]weather[ARGS]{BERN}[TOOL_CALLS]now[ARGS]{{}}",
    ),
    "qwen3_coder": Example(
        _template("<tool_call>\n<function=" + _NAME + ">\n</function>\n</tool_call>"),
        f"{_CODER}\n<tool_call>\n<function=now>\n</function>\n</tool_call>",
        f"{_CODER}\n<tool_call>\n<function=now>\n</function>\n</tool_call>",
    ),
    "glm": Example(
        _template("<tool_call>" + _NAME + "\n<arg_key>k</arg_key>\n<arg_value>v</arg_value>\n</tool_call>"),
        f"{_GLM}\n<tool_call>now\n</tool_call>",
        f"{_GLM}\n<tool_call>now\n</tool_call>",
    ),
    "harmony": Example(
        _template(
            "{{ '<|start|>assistant<|channel|>analysis<|message|>' + '<|end|>' }}"
            "{{ '<|start|>assistant<|channel|>final<|message|>' }}" + _ARGUMENTS
        ),
        f"<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{BERN}<|call|>",
        f"<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{BERN}",
        num_calls=1,
    ),
    "deepseek": Example(
        _template("{{ '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' }}{{ '```json' }}"), _DEEPSEEK, _DEEPSEEK
    ),
    "deepseek_bare": Example(
        _template("{{ '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' }}"), _DEEPSEEK_BARE, _DEEPSEEK_BARE
    ),
    "kimi": Example(_template("<|tool_calls_section_begin|><|tool_call_begin|>{{ call.id }}"), _KIMI, _KIMI),
    "granite": Example(
        "{% if tools %}<|tool_call|>{% endif %}"
        "{% for m in messages %}<|start_of_role|>{{ m.role }}{{ m.content }}{% endfor %}",
        f"<|tool_call|>{_OBJECTS}",
        f"<|tool_call|>{_OBJECTS}",
    ),
    "phi4": Example(
        "{% for m in messages %}{% if 'tools' in m %}<|tool|>{{ m.tools }}<|/tool|>{% endif %}"
        "{{ m.content }}{% endfor %}",
        f"<|tool_call|>{_OBJECTS}<|/tool_call|>",
        f"<|tool_call|>{_OBJECTS}<|/tool_call|>",
    ),
    "lfm2": Example(
        "{% if tools %}<|tool_list_start|>{{ tools }}{% endif %}"
        "{% for m in messages %}{{ m.role }}{{ m.content }}{% endfor %}",
        f"<|tool_call_start|>[{_PYTHON}]<|tool_call_end|>",
        f"<|tool_call_start|>[{_PYTHON}]<|tool_call_end|>",
    ),
    "command_r": Example(_template("<|START_ACTION|>[" + _NAME + "]<|END_ACTION|>"), _COMMAND_R, _COMMAND_R),
    "command_r_plus": Example(_template("Action: {{ '\"tool_name\": ' }}" + _NAME), _COMMAND_R_PLUS, _COMMAND_R_PLUS),
}
