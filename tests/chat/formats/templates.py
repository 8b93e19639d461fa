"""Short chat templates that treat tools as those of the model families do."""

CHATML = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"

HERMES = """{% if tools %}<|im_start|>system
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}<tool_call>
{"name": <name>, "arguments": <object>}
</tool_call><|im_end|>
{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}{% for call in m.tool_calls %}
<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>{% endfor %}<|im_end|>
{% endfor %}"""

LLAMA3 = """{% if not tools is defined %}{% set tools = none %}{% endif %}
{% if tools is not none %}Environment: ipython
{{ 'Answer with {"name": function, "parameters": its parameters}' }}
{% for t in tools %}{{ t | tojson(indent=4) }}{% endfor %}{% endif %}
{% for m in messages %}{% if 'tool_calls' in m %}
{% if m.tool_calls | length != 1 %}{{ raise_exception("one call at a time") }}{% endif %}
{{ '{"name": "' + m.tool_calls[0].function.name + '", ' }}{{ '"parameters": ' }}
{{ m.tool_calls[0].function.arguments | tojson }}}{% else %}{{ m.role }}: {{ m.content }}
{% endif %}{% endfor %}"""

MISTRAL = """{% if tools is defined and tools is not none %}
[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}
{% for m in messages %}{% if m.tool_calls is defined %}{{ "[TOOL_CALLS] [" }}{% for call in m.tool_calls %}
{% if call.id | length != 9 %}{{ raise_exception("ids have nine characters") }}{% endif %}
{{ call.function | tojson }}{% endfor %}]{% elif m.role == "tool" %}
{% if m.tool_call_id | length != 9 %}{{ raise_exception("ids have nine characters") }}{% endif %}
[TOOL_RESULTS]{{ m.tool_call_id }}{{ m.content }}{% else %}[INST]{{ m.content }}[/INST]{% endif %}{% endfor %}"""

MISTRAL_ARGS = """{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{{ m.content }}
{% for call in m.tool_calls %}{% set arguments = call['function']['arguments'] %}
{% if arguments is not string %}{% set arguments = arguments | tojson %}{% endif %}
{{ '[TOOL_CALLS]' + call['function']['name'] + '[ARGS]' + arguments }}{% endfor %}{% endfor %}"""

SMOLLM3 = """{% if xml_tools or tools %}
{{ "<tool_call>\\n{\\"name\\": n, \\"arguments\\": a}\\n</tool_call>" }}{% endif %}
{% for m in messages %}{% if m.role == "assistant" %}{% generation %}{{ m.content }}{% endgeneration %}
{% else %}{{ m.content }}{% endif %}{% endfor %}"""

QWEN3_CODER = """{% if tools %}{{ tools | tojson }}
<tool_call>
<function=name>
<parameter=key>value</parameter>
</function>
</tool_call>{% endif %}{% for m in messages %}{{ m.content }}{% for call in m.tool_calls %}
{% for key, value in call.arguments | items %}{{ key }}{{ value }}{% endfor %}{% endfor %}{% endfor %}"""

GLM = """{% if tools %}{{ tools | tojson }}<tool_call>name
<arg_key>key</arg_key>
<arg_value>value</arg_value>
</tool_call>{% endif %}{% for m in messages %}{{ m.content }}{% endfor %}"""

DEEPSEEK = """{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{{ m.content }}
{% for call in m['tool_calls'] %}{{ '<call>' + call['function']['name'] + call['function']['arguments'] }}{% endfor %}
{% endfor %}"""
