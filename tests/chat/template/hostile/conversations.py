"""Templates that ask for too much of a long conversation: one message of a million characters, or many messages."""

# ruff: noqa: E501  (a template is one line, and full of braces)

BIG = [{"role": "user", "content": "ab \n" * 250_000}]
MANY_MESSAGES = [{"role": "user", "content": "Hello"}] * 20_000

WITH_BIG: dict[str, str] = {
    "big_quadratic": "{% for i in range(99999) %}{% for m in messages %}{{ m.content[i:] }}{% endfor %}{% endfor %}",
    "big_characters": "{% for c in messages[0].content %}{% for d in messages[0].content %}{{ c }}{% endfor %}{% endfor %}",
    "big_words": "{% for w in messages[0].content.split() %}{{ messages[0].content.count(w) }}{% endfor %}",
    "big_find": "{% for i in range(99999) %}{{ messages[0].content.find('b' * 9999) }}{% endfor %}",
    "big_prefixes": "{% set ns = namespace(s='') %}{% for c in messages[0].content %}{% set ns.s = ns.s + c %}{% endfor %}{{ ns.s }}",
    "big_lines": "{% set ns = namespace(l=[]) %}{% for c in messages[0].content.split('\n') %}{% set ns.l = ns.l + [c] %}{% endfor %}",
    "big_replace": "{{ messages[0].content.replace('', messages[0].content) }}",
    "big_join": "{{ messages[0].content.join(messages[0].content) }}",
    "big_split": "{% set ns = namespace(l=[]) %}{% for i in range(999) %}{% set ns.l = [messages[0].content.split(), ns.l] %}{% endfor %}",
    "big_strip": "{{ messages[0].content.strip(messages[0].content.replace('a', 'b' * 9)) }}",
    "big_indent": "{{ messages[0].content | indent(messages[0].content | length) }}",
    "big_json": "{% for i in range(999) %}{% set x = messages | tojson(indent=4) %}{% endfor %}",
    "big_kept": "{% set ns = namespace(l=[]) %}{% for i in range(9999) %}{% set ns.l = [messages[0].content ~ i, ns.l] %}{% endfor %}",
    "big_kept_upper": "{% set ns = namespace(l=[]) %}{% for i in range(9999) %}{% set ns.l = [messages[0].content | upper, ns.l] %}{% endfor %}",
    "big_kept_list": "{% set ns = namespace(l=[]) %}{% for i in range(9999) %}{% set ns.l = [messages[0].content | list, ns.l] %}{% endfor %}",
    "big_sum": "{{ ([messages[0].content] * 999) | join | length }}",
    "big_pairs": "{% for a in messages[0].content.split() | unique %}{% for b in messages[0].content.split() %}{{ a == b }}{% endfor %}{% endfor %}",
    "big_output": "{% for i in range(999) %}{{ messages[0].content }}{% endfor %}",
    "big_wide_characters": "{% for i in range(99) %}{{ messages[0].content ~ '😀' }}{% endfor %}",
    "big_wide_once": "{{ messages[0].content * 70 ~ '😀' }}",
    "big_wide_sum": "{% set x = messages[0].content * 70 + '😀' %}",
    "big_wide_replaced": "{{ (messages[0].content * 60).replace('a', '😀') | length }}",
    "big_wide_joined": "{{ ([messages[0].content] * 60) | join('😀') | length }}",
    "big_wide_json": "{{ [messages[0].content * 60, '😀'] | tojson | length }}",
    "big_wide_format": "{{ '{}😀'.format(messages[0].content * 60) | length }}",
    "big_wide_percent": "{{ '%s😀' % (messages[0].content * 60) | length }}",
    "big_wide_output": "{% for i in range(70) %}{{ messages[0].content }}{% endfor %}😀",
    "big_wide_list": "{{ [messages[0].content * 60, '😀'] | string | length }}",
    "big_wide_kept": "{% set ns = namespace(l=[]) %}{% for i in range(99) %}{% set ns.l = [messages[0].content ~ '😀', ns.l] %}{% endfor %}",
}

WITH_MANY: dict[str, str] = {
    "many_quadratic": "{% for m in messages %}{% for n in messages %}{{ n.content if m == n }}{% endfor %}{% endfor %}",
    "many_slices": "{% for m in messages %}{% for n in messages[loop.index0:] %}{{ n.role }}{% break %}{% endfor %}{% endfor %}",
    "many_in": "{% for m in messages %}{{ m in messages }}{{ messages.index(m) }}{{ messages.count(m) }}{% endfor %}",
    "many_filters": "{% for m in messages %}{{ messages | selectattr('role', 'equalto', 'x') | list | length }}{% endfor %}",
    "many_json": "{% for m in messages %}{% set x = messages | tojson %}{% endfor %}",
    "many_sorted": "{% for m in messages %}{% set x = messages | sort(attribute='content') %}{% endfor %}",
    "many_sums": "{% set ns = namespace(l=[]) %}{% for m in messages %}{% set ns.l = ns.l + [m] %}{% endfor %}",
}
