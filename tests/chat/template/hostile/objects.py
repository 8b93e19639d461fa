"""Templates that ask for too much by jinja2's own objects and by depth."""

# ruff: noqa: E501  (a template is one line, and full of braces)

from tests.chat.template.hostile.parts import END, LOOP

OBJECTS: dict[str, str] = {
    # objects of jinja2 itself
    "cycler": "{% set c = cycler(*range(99999)) %}" + LOOP + "{{ c.next() }}" + END,
    "cycler_items": "{% set ns = namespace(c=cycler(1, 2)) %}{% for i in range(99) %}{% set ns.c = cycler(*(ns.c.items + ns.c.items)) %}{% endfor %}",
    "joiner": "{% set j = joiner('a' * 1000000) %}{% for i in range(9999) %}{{ j() }}{% endfor %}",
    "lipsum": "{{ lipsum(n=9999, min=9999, max=99999) }}",
    "namespace_grows": "{% set ns = namespace() %}{% for i in range(99999) %}{% set ns.a = namespace(b=ns.a, c='a' * 1000) %}{% endfor %}",
    "namespace_of_dict": "{% set d = dict.fromkeys(range(99999) | map('string')) %}{% for i in range(9999) %}{% set x = namespace(d) %}{% endfor %}",
    "namespace_with_itself": "{% set ns = namespace() %}{% set ns.a = [ns] %}{% set ns.b = {'x': ns.a} %}{{ ns.b }}{{ ns.a == [ns] }}{{ ns.b | tojson }}",
    "dict_of_dict": "{% set ns = namespace(d={'a': 1}) %}{% for i in range(999) %}{% set ns.d = dict(ns.d, **{'a' * i: ns.d}) %}{% endfor %}{{ ns.d | string | length }}",
    "dict_literal": "{% set ns = namespace(d={}) %}"
    + LOOP
    + "{% set ns.d = {'a' ~ i: ns.d, 'b': [1, 2, 3, 4]} %}"
    + END,
    "dict_fromkeys": "{% for i in range(999) %}{{ dict.fromkeys(range(99999)) | length }}{% endfor %}",
    "dict_copies": "{% set d = dict.fromkeys(range(99999)) %}{% set ns = namespace(l=[]) %}{% for i in range(999) %}{% set ns.l = ns.l + [d.copy()] %}{% endfor %}",
    "list_copies": "{% set d = range(99999) | list %}{% set ns = namespace(l=[]) %}{% for i in range(999) %}{% set ns.l = ns.l + [d[1:]] + [d | reverse | list] %}{% endfor %}",
    "collisions": "{% set ns = namespace(l=[]) %}{% for i in range(9999) %}{% set ns.l = ns.l + [i * (2 ** 61 - 1)] %}{% endfor %}{{ dict.fromkeys(ns.l) | length }}{{ ns.l | unique | list | length }}",
    "collisions_built_fast": "{% set l = range(0, 99999) | map('round') | list %}{% macro k(n) %}{{ n }}{% endmacro %}{% set ns = namespace(l=[]) %}{% for i in range(30000) %}{% set ns.l = ns.l + [-1 + i * 2305843009213693951] %}{% endfor %}{{ dict.fromkeys(ns.l) | length }}",
    "collisions_of_range": "{{ dict.fromkeys(range(0, 90000 * 2305843009213693951, 2305843009213693951)) | length }}",
    "collisions_unique": "{{ range(0, 90000 * 2305843009213693951, 2305843009213693951) | unique | list | length }}",
    "collisions_unique_of_list": "{{ range(0, 90000 * 2305843009213693951, 2305843009213693951) | list | unique | list | length }}",
    "collisions_negative": "{{ dict.fromkeys(range(-90000 * 2305843009213693951, 1, 2305843009213693951)) | length }}",
    "collisions_groupby": "{{ range(0, 90000 * 2305843009213693951, 2305843009213693951) | groupby('real') | length }}",
    "collisions_of_text": "{% set t %}{% for i in range(60000) %}{{ i * 2305843009213693951 }} {% endfor %}{% endset %}{{ t.split() | map('int') | unique | list | length }}",
    "collisions_of_slice": "{{ dict.fromkeys(range(0, 90000 * 2305843009213693951, 2305843009213693951)[1:]) | length }}",
    "strftime_kept": "{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = [strftime_now('%250000Y%c'), ns.l] %}{% endfor %}",
    "big_elements_in_macro": "{% set ns = namespace(l=[]) %}{% macro m() %}{% set ns.l = [["
    + "[], " * 900
    + "], ns.l] %}{% endmacro %}"
    + LOOP
    + "{{ m() }}"
    + END,
    "call_kept": "{% set ns = namespace(l=[]) %}"
    + LOOP
    + "{% set ns.l = [messages[0].items(), messages[0].get, 'a'.upper, 'a'.format, ns.l] %}"
    + END,
    "loop_kept": "{% set ns = namespace(l=[]) %}" + LOOP + "{% set ns.l = [loop, ns.l] %}" + END,
    "default_kept": "{% set ns = namespace(l=[]) %}" + LOOP + "{% set ns.l = [nothing[i], ns.l] %}" + END,
    "range_kept": "{% set ns = namespace(l=[]) %}"
    + LOOP
    + "{% set ns.l = [range(i * 10 ** 9, j * 10 ** 9), ns.l] %}"
    + END,
    "generators_kept": "{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = [range(99999) | map('string'), ns.l] %}{% endfor %}",
    "macros_kept": "{% set ns = namespace(l=[]) %}"
    + LOOP
    + "{% macro m(a=1) %}{% endmacro %}{% set ns.l = [m, ns.l] %}"
    + END,
    "texts_kept_by_generators": "{% set ns = namespace(l=[]) %}{% for i in range(999) %}{% set ns.l = [['a' ~ 'b' * 1000000] | map('upper'), ns.l] %}{% endfor %}",
    # depth that overflows the stack of C
    "deep_generators": "{% set ns = namespace(g=[1]) %}{% for i in range(99999) %}{% set ns.g = ns.g | select('defined') %}{% endfor %}{{ ns.g | list }}",
    "deep_generators_not_read": "{% set ns = namespace(g=[1]) %}{% for i in range(99999) %}{% set ns.g = ns.g | map('upper') %}{% endfor %}",
    "deep_tuples_hashed": "{% set ns = namespace(a=(1,)) %}"
    + LOOP
    + "{% set ns.a = (ns.a,) %}"
    + END
    + "{{ {ns.a: 1} | length }}",
    "deep_tuples_in_set": "{% set ns = namespace(a=(1,)) %}"
    + LOOP
    + "{% set ns.a = (ns.a,) %}"
    + END
    + "{{ [ns.a] | unique | list | length }}",
    "deep_tuples_as_key": "{% set ns = namespace(a=(1,)) %}"
    + LOOP
    + "{% set ns.a = (ns.a,) %}"
    + END
    + "{{ {}.get(ns.a) }}",
    "deep_tuples_summed": "{% set ns = namespace(a=()) %}"
    + LOOP
    + "{% set ns.a = () + (ns.a,) %}"
    + END
    + "{{ {}[ns.a] }}",
    "deep_lists_compared": "{% set ns = namespace(a=[1], b=[1]) %}"
    + LOOP
    + "{% set ns.a = [ns.a] %}{% set ns.b = [ns.b] %}"
    + END
    + "{{ ns.a == ns.b }}",
    "deep_lists_written": "{% set ns = namespace(a=[1]) %}" + LOOP + "{% set ns.a = [ns.a] %}" + END + "{{ ns.a }}",
    "deep_lists_json": "{% set ns = namespace(a=[1]) %}"
    + LOOP
    + "{% set ns.a = [ns.a] %}"
    + END
    + "{{ ns.a | tojson }}",
    "deep_dicts_json": "{% set ns = namespace(a={}) %}"
    + LOOP
    + "{% set ns.a = {'a': ns.a} %}"
    + END
    + "{{ ns.a | tojson(indent=1) }}",
    "deep_reversed": "{% set ns = namespace(a=[1]) %}"
    + LOOP
    + "{% set ns.a = [ns.a] | reverse %}"
    + END
    + "{{ ns.a | list }}",
    "deep_views": "{% set ns = namespace(a={}) %}" + LOOP + "{% set ns.a = {'a': ns.a}.items() %}" + END + "{{ ns.a }}",
    "deep_namespaces": "{% set ns = namespace(a=1) %}"
    + LOOP
    + "{% set ns.a = namespace(b=ns.a) %}"
    + END
    + "{{ ns.a.b.b }}",
    "deep_cyclers": "{% set ns = namespace(a=1) %}" + LOOP + "{% set ns.a = cycler(ns.a) %}" + END,
    "deep_markup": "{% set ns = namespace(a='<') %}{% for i in range(9999) %}{% set ns.a = ns.a | e | replace('&', '<') | safe %}{% endfor %}",
}
