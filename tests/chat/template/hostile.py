"""Templates that ask for too much time, memory, depth or access, each in its own way.

``SMALL`` are rendered with one short message, ``WITH_BIG`` with one of a million characters, ``WITH_MANY`` with many
messages; ``PARSED`` are hard to compile.
"""

# ruff: noqa: E501, UP031  (a template is one line, and full of braces)

BIG = [{"role": "user", "content": "ab \n" * 250_000}]
MANY_MESSAGES = [{"role": "user", "content": "Hello"}] * 20_000

LONG = "{% set s = 'a' * 1000000 %}"
LOOP = "{% for i in range(900) %}{% for j in range(999) %}"
END = "{% endfor %}{% endfor %}"

SMALL: dict[str, str] = {
    # calls of calls
    "macro_ackermann": "{% macro f(m, n) %}{% if m == 0 %}{{ n + 1 }}{% elif n == 0 %}{{ f(m - 1, 1) }}{% else %}{{ f(m - 1, f(m, n - 1) | int) }}{% endif %}{% endmacro %}{{ f(4, 2) }}",
    "macro_mutual": "{% macro a(n) %}{% if n %}{{ b(n - 1) }}{{ b(n - 1) }}{% endif %}{% endmacro %}{% macro b(n) %}{{ a(n) }}{{ a(n) }}{% endmacro %}{{ a(40) }}",
    "call_block": "{% macro m(n) %}{% if n %}{{ caller(n) }}{{ caller(n) }}{% endif %}{% endmacro %}{% macro again(n) %}{% call(k) m(n) %}{{ again(k - 1) }}{% endcall %}{% endmacro %}{{ again(50) }}",
    "macro_varargs": "{% macro m() %}{{ varargs | length }}{% endmacro %}{{ m(*range(99999)) }}" * 40,
    "macro_varargs_grow": "{% set ns = namespace(l=[1]) %}{% macro m() %}{% set ns.l = varargs + varargs %}{% endmacro %}{% for i in range(99) %}{{ m(*ns.l) }}{% endfor %}",
    "macro_kwargs_grow": "{% set ns = namespace(d={'a': 1}) %}{% macro m() %}{% set ns.d = dict(kwargs, **{'k%s' % (kwargs | length): kwargs}) %}{% endmacro %}{% for i in range(9999) %}{{ m(**ns.d) }}{% endfor %}{{ ns.d }}",
    "macro_raises": "{% macro m(n) %}{% if n == 0 %}{{ raise_exception('a' * 10 ** 6) }}{% endif %}{{ m(n - 1) }}{% endmacro %}{{ m(300) }}",
    "loop_depth": "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "loop_wide": "{% for x in range(99) recursive %}{{ loop(range(99)) if loop.depth < 9 }}{% endfor %}",
    "loop_range": "{% for x in range(99999) recursive %}{{ loop(range(99999)) }}{% endfor %}",
    "loop_previtem": "{% for i in range(99999) %}{% for x in range(99999) %}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.length }}{% endfor %}{% endfor %}",
    "loop_length_of_map": "{% for i in range(99999) %}{% for x in range(99999) | map('abs') %}{% if loop.length %}{% break %}{% endif %}{% endfor %}{% endfor %}",
    "self_block": "{% block b %}{% for i in range(99) %}{{ self.b() }}{% endfor %}{% endblock %}",
    "super": "{% block b %}{{ super() }}{% endblock %}",
    # texts that are safe for HTML, whose methods are written in Python
    "markup_center_kept": "{{ ('a' | safe).center(300000000) }}",
    "markup_escaped_kept": "{{ ('a' | escape).ljust(300000000) }}",
    "markup_zfill_kept": "{{ ('a' | safe).zfill(300000000) }}",
    "markup_replace_kept": "{{ (('a' * 10000) | safe).replace('a', 'b' * 30000) }}",
    "markup_join_kept": "{{ (('x' * 100000) | safe).join(['a'] * 3000) }}",
    "markup_format_kept": "{{ ('{:>300000000}' | safe).format('a') }}",
    "markup_percent_kept": "{{ ('%300000000s' | safe) % 'a' }}",
    "markup_times_kept": "{{ ('a' | safe) * 300000000 }}",
    "markup_plus_kept": "{% set ns = namespace(s='ab' | safe) %}{% for i in range(40) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    "markup_tilde_kept": "{% set ns = namespace(s='ab' | safe) %}{% for i in range(40) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    # texts that grow without a loop
    "doubling_without_loop": LONG + "{% set s = s ~ s %}" * 40 + "{{ s | length }}",
    "set_block_without_loop": LONG + "{% set s %}{{ s }}{{ s }}{% endset %}" * 40 + "{{ s | length }}",
    "filter_block": LONG + "{% filter replace('a', 'aaaaaaaaaa') %}" * 9 + "{{ s }}" + "{% endfilter %}" * 9,
    "with_chain": LONG + "{% with s = s + s %}" * 18 + "{{ s | length }}" + "{% endwith %}" * 18,
    "format_doubling": "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = '{0}{0}'.format(ns.s) %}{% endfor %}",
    "format_named": "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = '{a}{a}'.format(a=ns.s) %}{% endfor %}",
    "format_map_doubling": "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = '{a}{a}'.format_map({'a': ns.s}) %}{% endfor %}",
    "percent_doubling": "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = '%s%s' % (ns.s, ns.s) %}{% endfor %}",
    "percent_named": "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = '%(a)s%(a)s' % {'a': ns.s} %}{% endfor %}",
    "percent_repr": "{% set ns = namespace(s='\\\\') %}{% for i in range(99) %}{% set ns.s = '%r' % ns.s %}{% endfor %}",
    "format_repr": "{% set ns = namespace(s='\\\\') %}{% for i in range(99) %}{% set ns.s = '{!r}'.format(ns.s) %}{% endfor %}",
    "repr_of_list": "{% set ns = namespace(s='\\\\') %}{% for i in range(99) %}{% set ns.s = [ns.s] | string %}{% endfor %}",
    "json_of_json": "{% set ns = namespace(s='\"') %}{% for i in range(99) %}{% set ns.s = ns.s | tojson %}{% endfor %}",
    "escape_of_escape": "{% set ns = namespace(s='&' * 1000000) %}{% for i in range(99) %}{% set ns.s = ns.s | e | string | forceescape | replace('amp;', '&&&&&&') %}{% endfor %}",
    "forceescape": "{{ ('&' * 4000000) | forceescape | forceescape | length }}" * 20,
    "escape_chain": "{% set ns = namespace(s='<' * 1000000) %}{% for i in range(99) %}{% set ns.s = ns.s | forceescape | string %}{% endfor %}",
    "tojson_ascii": "{{ ('é' * 3000000) | tojson(ensure_ascii=true) | length }}" * 20,
    "tojson_indent_text": "{{ [[[[[[1]]]]]] | tojson(indent='a' * 9000000) | length }}",
    "tojson_deep_indent": "{% set ns = namespace(a=[1]) %}{% for i in range(900) %}{% set ns.a = [ns.a] %}{% endfor %}{{ ns.a | tojson(indent=100000) | length }}",
    "tojson_keys": "{% set ns = namespace(d={}) %}{% for i in range(20) %}{% set ns.d = {'a' * 100000: ns.d, 'b' * 100000: ns.d} %}{% endfor %}{{ ns.d | tojson | length }}",
    "join_of_attribute": "{{ ([{'a': 'b' * 1000000}] * 1000) | join(attribute='a') | length }}",
    "map_of_attribute": "{{ ([{'a': 'b' * 1000000}] * 1000) | map(attribute='a') | join | length }}",
    "map_default": "{{ ([{}] * 9000) | map(attribute='a', default='b' * 1000000) | join | length }}",
    "map_upper": "{{ (['a' * 1000000] * 1000) | map('upper') | list | length }}",
    "map_center": "{{ (['a'] * 1000) | map('center', 1000000) | list | length }}",
    "map_replace": "{{ (['a' * 1000] * 1000) | map('replace', 'a', 'b' * 1000) | list | length }}",
    "map_tojson": "{{ ([[1]] * 1000) | map('tojson', indent=1000000) | list | length }}",
    "map_format": "{{ (['%1000000d'] * 1000) | map('format', 1) | list | length }}",
    "map_batch": "{{ ([[1]] * 1000) | map('batch', 1000000, 1) | map('list') | list | length }}",
    "map_of_map": "{{ (range(9999) | list) | map('string') | map('center', 9999) | map('upper') | map('list') | list | length }}",
    "select_in": "{% set l = range(99999) | list %}{{ l | select('in', l) | list | length }}",
    "reject_in_text": LONG + "{{ (['b' * 1000 + 'a'] * 99999) | reject('in', s) | list | length }}",
    "selectattr_chain": "{% set l = [{'a': 1}] * 99999 %}{{ l" + " | selectattr('a')" * 99 + " | list | length }}",
    "groupby": "{% for i in range(999) %}{{ range(99999) | groupby('real') | length }}{% endfor %}",
    "groupby_default": "{{ range(99999) | groupby('zz', default='a' * 1000000) | length }}",
    "sort_attribute": "{% set l = [{'a': 'x' * 1000000 ~ 'b'}, {'a': 'x' * 1000000 ~ 'a'}] * 20000 %}{{ l | sort(attribute='a') | length }}",
    "sort_many_attributes": "{% set l = [{'a': 1}] * 20000 %}{{ l | sort(attribute='a,' * 9999 + 'a') | length }}",
    "sort_texts": LONG + "{{ [s ~ 'b', s ~ 'a', s ~ 'c'] | map('string') | list * 9999 | sort | length }}",
    "unique_texts": LONG + "{{ ([s ~ 'b'] * 99999) | unique | list | length }}",
    "unique_lists": "{{ range(99999) | map('string') | unique | list | unique(attribute='a') | list | length }}" * 99,
    "min_max": "{% for i in range(9999) %}{{ range(99999) | max }}{{ range(99999) | min }}{% endfor %}",
    "dictsort": "{% set d = dict.fromkeys(range(99999), 'a' * 100000) %}{% for i in range(999) %}{{ d | dictsort(by='value') | length }}{% endfor %}",
    "batch_one": "{% for i in range(9999) %}{{ range(99999) | batch(1) | list | length }}{% endfor %}",
    "slice_many": "{{ range(99999) | slice(9999) | map('list') | list | length }}" * 99,
    "random": "{% for i in range(9999) %}{{ range(99999) | list | random }}{% endfor %}",
    "items_filter": "{% set d = dict.fromkeys(range(99999)) %}{% for i in range(9999) %}{{ d | items | list | length }}{% endfor %}",
    "wordcount": "{% for i in range(9999) %}{{ ('ab ' * 300000) | wordcount }}{% endfor %}",
    "title": "{% for i in range(9999) %}{{ ('ab ' * 300000) | title | length }}{% endfor %}",
    "capitalize_method": LONG + LOOP + "{{ s.capitalize() | length }}" + END,
    "casefold": "{{ ('ß' * 5000000).casefold() | length }}" * 20,
    "upper_grows": "{{ ('ﬃ' * 3000000).upper().upper() | length }}" * 20,
    "splitlines": "{{ ('\n' * 3000000).splitlines() | length }}" * 20,
    "partition": LONG + LOOP + "{{ s.partition('b' * 1000) | length }}" + END,
    "find_bad_case": "{% for i in range(999) %}{{ ('a' * 1000000).find('a' * 1000 ~ 'b' ~ 'a' * 1000) }}{{ ('ab' * 500000).rfind('b' ~ 'ab' * 5000) }}{% endfor %}",
    "count_bad_case": "{{ ('a' * 1000000).count('a' * 499999 ~ 'b') }}{{ ('a' * 1000000).rfind('b' ~ 'a' * 499999) }}{{ ('a' * 1000000).rsplit('b' ~ 'a' * 499999) | length }}",
    "rindex_bad_case": "{{ ('a' * 4000000).rindex('b' ~ 'a' * 1999999) }}",
    "in_bad_case": "{{ ('b' ~ 'a' * 499999) in ('a' * 4000000) }}",
    "rpartition_bad_case": "{{ ('a' * 4000000).rpartition('b' ~ 'a' * 1999999) | length }}",
    "truncate": "{% for i in range(9999) %}{{ ('ab ' * 300000) | truncate(299999) | length }}{% endfor %}",
    "int_of_text": "{{ ('9' * 4000000) | int }}",
    "int_base": "{% for i in range(999) %}{{ ('z' * 1000000) | int(0, 36) }}{% endfor %}",
    "float_of_text": "{% for i in range(999) %}{{ ('9' * 4000000) | float }}{% endfor %}",
    "filesizeformat": "{{ (2 ** 500) | filesizeformat }}",
    "integers_of_words": LOOP + "{% set x = 2 ** 500 * 1 %}" + END,
    "integer_product": "{% set x = 3 ** 300 %}" + LOOP + "{% set y = x * x // 7 % 11 %}" + END,
    "integer_modulo": "{% set x = 3 ** 500 %}{% set y = 3 ** 300 + 1 %}" + LOOP + "{{ x % y == 1 }}" + END,
    "integer_text": "{% set x = 7 ** 300 %}" + LOOP + "{{ x }}" + END,
    "integer_negative_power": "{{ (10 ** 9999) ** -1 }}",
    "integer_shift": "{{ 2 ** 10 ** 10 }}",
    "power_of_bool": "{{ (true + true) ** (10 ** 8) }}",
    "float_power": "{{ 1e308 ** 9 }}",
    "round_negative": "{{ 5 | round(-99999999, 'floor') }}",
    "round_of_integer": "{{ (2 ** 1000) | round(99999) }}",
    "product_negative": "{{ 'a' * -10 ** 9 }}{{ [] * 10 ** 18 }}",
    "product_of_tuple": "{{ ((1,) * 10 ** 9) | length }}",
    "range_step": "{{ range(10 ** 18, 0, -1) | length }}",
    "range_small": LOOP + "{% for x in range(99999) %}{% break %}{% endfor %}" + END,
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
    # what Python offers beside
    "strftime_args": "{{ strftime_now.args[0]() }}",
    "strftime_func": "{{ strftime_now.func(strftime_now.args[0], '%1000000Y' * 1000) | length }}",
    "strftime_keywords": "{{ strftime_now.keywords }}{{ strftime_now.func.__globals__ }}",
    "strftime_of_now": "{{ strftime_now.args[0]().strftime('%1000000Y' * 1000) | length }}",
    "strftime_pattern": LOOP + "{{ strftime_now('%c' * 400) }}" + END,
    "strftime_width": "{{ strftime_now('%999999999Y') | length }}",
    "strftime_many_widths": "{{ strftime_now('%99999Y' * 140) | length }}" * 99,
    "strftime_int": "{{ strftime_now(7) }}",
    "raise_func": "{{ raise_exception.__wrapped__ }}{{ raise_exception.__globals__ }}",
    "format_leak": "{{ '{0.__init__.__globals__}'.format(joiner) }}",
    "format_map_leak": "{{ '{a.__class__.__mro__}'.format_map({'a': 1}) }}",
    "format_index_leak": "{{ '{0[0].__class__}'.format([1]) }}",
    "attribute_walk": "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "attr_filter": "{{ ''|attr('__class__')|attr('__mro__')|attr('__getitem__')(1) }}",
    "map_attribute_walk": "{{ ['']|map(attribute='__class__.__mro__')|list }}",
    "self_walk": "{{ self._TemplateReference__context.environment }}",
    "loop_walk": "{% for x in [1] %}{{ loop._iterable }}{{ loop.__init__ }}{% endfor %}",
    "macro_walk": "{% macro m() %}{% endmacro %}{{ m._func.__globals__ }}{{ m._environment }}",
    "namespace_walk": "{{ namespace.__globals__ }}{{ namespace().__class__ }}{{ dict.__class__ }}",
    "getattr_through_item": "{{ ''['__class__'] }}{{ messages['__class__'] }}",
    "generator_walk": "{{ ([1] | map('upper')).gi_frame.f_globals }}",
    "undefined_walk": "{{ nothing.__class__ }}{{ nothing._fail_with_undefined_error }}",
    "exception_in_macro": "{% macro m() %}{{ nothing.a.b }}{% endmacro %}{{ m() }}",
    "exception_in_filter": "{{ [1] | map('no_such_filter') | list }}",
    "exception_words": "{{ {}['a' * 1000000].x }}{{ ('a' * 9000000).index('b') }}",
    "exception_of_key": "{{ raise_exception([['a' * 100000] * 9] * 9) }}",
    "unknown_filter_words": "{{ [1] | map('f' * 9000000) | list }}",
    "undefined_words": "{{ messages['a' * 9000000].x }}",
    "include": "{% include messages[0].content %}",
    "import": "{% import 'os' as os %}{{ os.listdir() }}",
    "extends": "{% extends 'x' %}",
    "extends_itself": "{% extends self %}",
    "from_import": "{% from 'x' import y with context %}",
    "debug": "{{ debug() }}",
    "gettext": "{% trans %}a{% endtrans %}",
    "autoescape": "{% autoescape true %}{% set ns = namespace(s='<') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s ~ '<' | safe %}{% endfor %}{% endautoescape %}",
    "autoescape_join": "{% autoescape true %}{{ (['<' * 100000] * 1000) | join('<' * 100000) | length }}{% endautoescape %}",
    "markup_percent": "{{ ('%s' * 1000) | safe % (('<' * 1000000,) * 1000) }}",
    "markup_format": "{{ (('{0}' * 1000) | safe).format('<' * 1000000) | length }}",
    "markup_join": "{{ ('<' * 1000000) | safe | replace('', '<' * 1000000) | length }}",
    "markup_methods": "{{ ('<b>' * 99999) | safe | center(10 ** 9) }}",
    "markup_unescape": "{{ (('&amp;' * 999999) | safe).unescape() | length }}" * 99,
    "markup_striptags": "{{ (('<b>' * 999999) | safe).striptags() | length }}" * 99,
    "markup_striptags_bad_case": "{{ (('<!--' * 999999) | safe).striptags() | length }}",
    "markup_multiplied": "{{ ('<' | safe) * 10 ** 9 }}",
    "compare_chain": LONG + LOOP + "{{ s < s ~ 'a' < s ~ 'b' }}" + END,
    "is_tests": LONG
    + "{% set t = s ~ 'a' %}"
    + LOOP
    + "{{ s is eq(t) }}{{ s is lt t }}{{ s is sameas t }}{{ s is upper }}"
    + END,
    "attribute_path": "{{ [1] | map(attribute='.'.join(['a'] * 999999)) | list }}",
    "getattr_of_text": LOOP + "{{ messages[0]['content' ~ j] }}" + END,
    "undefined_chain": LOOP + "{{ a | default('b' * 1000) | default('c') | length }}" + END,
    "pprint": "{{ [[1] * 99] * 9999 | pprint }}",
    "urlize": "{{ ('http://a.b ' * 99999) | urlize }}",
    "wordwrap": "{{ ('a ' * 99999) | wordwrap(1) }}",
    "xmlattr": "{{ {'a' * 9999999: 1} | xmlattr }}",
    "striptags": "{{ ('<' * 999999) | striptags }}",
    "sum_of_texts": "{{ (['a' * 1000] * 9999) | sum(start='') }}",
    "sum_of_tuples": "{{ ([(1,) * 1000] * 9999) | sum(start=()) | length }}",
    "sum_attribute": "{{ ([{'a': [1] * 1000}] * 9999) | sum(attribute='a', start=[]) | length }}",
    "sum_integers": "{{ ([2 ** 500] * 99999) | sum }}",
    "list_of_text": "{{ ('é€' * 1000000) | list | length }}" * 9,
    "first_of_sorted": LOOP + "{{ 'hello world' | list | sort | first }}" + END,
    "bytes": "{{ 'a'.encode('utf-8').decode() }}",
    "format_of_float": "{{ '%.300f' % 1e300 }}" * 999,
    "format_wide_float": "{{ '{:.99999999f}'.format(1.5) }}",
    "format_thousands": "{{ '{:,}'.format(7 ** 300) }}" * 999,
    "percent_escapes": "{{ ('%%' * 3000000) % () | length }}" * 9,
    "percent_bad_case": "{{ ('%(' * 200000) % {} }}",
    "percent_flags_bad_case": "{{ ('%' ~ '-' * 1000000) % 1 }}",
    "percent_flags_many": "{{ ('%' ~ '0' * 1000000 ~ 'd') % 1 }}",
    "format_bad_case": "{{ ('{' * 200000).format(1) }}",
    "format_colon_bad_case": "{{ ('{:' * 200000).format(1) }}",
    "format_index_bad_case": "{{ ('{0[' * 200000).format(1) }}",
    "replace_many": LONG
    + "{% for i in range(999) %}{% set s = s | replace('a', 'b') | replace('b', 'a') %}{% endfor %}",
    "replace_count": "{{ ('a' * 1000000).replace('a', 'b' * 1000, 1000000) | length }}",
    "removeprefix": LONG + LOOP + "{% set x = s.removeprefix('a') %}" + END,
    "strip_many": LONG + LOOP + "{% set x = s.strip('b') %}" + END,
    "slice_text": LONG + "{% for i in range(99999) %}{% set x = s[i:] %}{% endfor %}",
    "slice_step": LONG + "{% for i in range(99999) %}{% set x = s[::-1] %}{% endfor %}",
    "reverse_text": LONG + "{% for i in range(99999) %}{% set x = s | reverse %}{% endfor %}",
    "length_of_generator": "{% for i in range(99999) %}{{ range(99999) | map('abs') | list | count }}{% endfor %}",
    "text_in_text": LONG + "{% set t = 'b' * 99999 %}" + LOOP + "{{ t in s }}" + END,
    "many_outputs": LOOP + "{{ i }}{{ j }}{{ i }}{{ j }}{{ i }}{{ j }}{{ i }}{{ j }}{{ i }}{{ j }}" + END,
    "many_expressions": LOOP + "{% set x = [[[[]]], [[[]]], [[[]]], {'a': {'b': {}}}] %}" + END,
    "big_literal_kept": "{% set ns = namespace(l=[]) %}"
    + LOOP
    + "{% set ns.l = [["
    + "1, " * 1000
    + "], ns.l] %}"
    + END,
    "big_tuple_kept": "{% set ns = namespace(l=[]) %}"
    + LOOP
    + "{% set ns.l = [(i, "
    + "1, " * 1000
    + "), ns.l] %}"
    + END,
    "big_constant_concat": "{% set ns = namespace(l=[]) %}{% for i in range(9999) %}{% set ns.l = [i ~ '"
    + "a" * 300000
    + "', ns.l] %}{% endfor %}",
    "big_body": "{% for i in range(99999) %}" + "{% set x = 1 %}" * 9999 + "{% endfor %}",
    "big_condition": "{% for i in range(99999) %}{% if "
    + " and ".join(["i >= 0"] * 300)
    + " %}{% endif %}{% endfor %}",
    "arithmetic_without_calls": LOOP + "{% set x = " + "i + j - i + j * i // 3 % 7 + " * 20 + "1 %}" + END,
    "unary": LOOP + "{% set x = " + "-" * 100 + "i %}" + END,
    "negated_integer": "{% set x = 2 ** 1000 %}" + LOOP + "{% set y = -x %}" + END,
    "integer_kept": "{% set x = 2 ** 1000 %}{% set ns = namespace(l=[]) %}"
    + LOOP
    + "{% set ns.l = [-x, ns.l] %}"
    + END,
    "integer_sum_kept": "{% set x = 2 ** 1000 %}{% set ns = namespace(l=[]) %}"
    + LOOP
    + "{% set ns.l = [x + j, ns.l] %}"
    + END,
    "integer_abs_kept": "{% set x = -2 ** 1000 %}{% set ns = namespace(l=[]) %}"
    + LOOP
    + "{% set ns.l = [x | abs, ns.l] %}"
    + END,
}

PARSED: dict[str, str] = {
    "huge_outputs": "{{a}}" * 100_000,
    "huge_outputs_calls": "{{a()}}" * 70_000,
    "huge_filters": "{{a|e}}" * 70_000,
    "huge_filter_chain": "{{a" + "|e" * 200_000 + "}}",
    "huge_getattr_chain": "{{a" + ".b" * 200_000 + "}}",
    "huge_getitem_chain": "{{a" + "[1]" * 150_000 + "}}",
    "huge_call_chain": "{{a" + "()" * 200_000 + "}}",
    "huge_list": "{{[" + "a," * 200_000 + "]}}",
    "huge_numbers": "{{[" + "1," * 200_000 + "]}}",
    "huge_dict": "{{{" + "1:a," * 100_000 + "}}}",
    "huge_if": "{%if a%}{%endif%}" * 30_000,
    "huge_elif": "{% if a %}" + "{% elif a %}" * 40_000 + "{% endif %}",
    "huge_set": "{%set a=b%}" * 45_000,
    "huge_set_names": "".join("{%%set a%d=b%%}" % i for i in range(30_000)),
    "huge_for": "{%for a in b%}{%endfor%}" * 20_000,
    "huge_macros": "".join("{%%macro a%d()%%}{%%endmacro%%}" % i for i in range(15_000)),
    "huge_blocks": "".join("{%%block a%d%%}{%%endblock%%}" % i for i in range(15_000)),
    "huge_macro_args": "{% macro m(" + ",".join(f"a{i}" for i in range(60_000)) + ") %}{% endmacro %}",
    "huge_call_args": "{{ f(" + "a," * 200_000 + "a) }}",
    "huge_concat": "{{" + "a~" * 200_000 + "a}}",
    "huge_and": "{{" + "a and " * 80_000 + "a}}",
    "huge_compare": "{{" + "a<" * 200_000 + "a}}",
    "huge_not": "{{" + "not " * 100_000 + "a}}",
    "huge_minus": "{{" + "-" * 400_000 + "a}}",
    "huge_conditional": "{{" + "a if a else " * 40_000 + "a}}",
    "huge_integer": "{{ " + "9" * 400_000 + " }}",
    "huge_hex": "{{ 0x" + "f" * 400_000 + " % 7 }}",
    "huge_float": "{{ 1e" + "9" * 400_000 + " }}",
    "huge_text": "{{ '" + "a" * 400_000 + "' }}",
    "huge_escapes": "{{ '" + "\\N{DIGIT ONE}" * 30_000 + "' }}",
    "huge_comments": "{##}" * 120_000,
    "huge_unclosed_comment": "{# " * 170_000,
    "huge_unclosed_text": "{{ '" + "a\\" * 250_000,
    "huge_unclosed_raw": "{% raw %}" + "{% " * 150_000,
    "huge_braces": "{" * 500_000,
    "huge_spaces": "{{" + " " * 500_000 + "}}",
    "huge_blank_lines": " \n" * 250_000 + "{%- if a %}{% endif %}",
    "huge_blank_before_tag": (" " * 5000 + "{%- set a = 1 -%}") * 100,
    "huge_whitespace_data": " " * 520_000,
    "huge_line_starts": "\n   {% if 1 %}{% endif %}" * 20_000,
    "nested_parens_half": "{{ " + "(" * 150 + "1" + ")" * 150 + " }}",
    "nested_lists": "{{ " + "[" * 5000 + "]" * 5000 + " }}",
    "nested_for_19": "{% for a in [1] %}" * 19 + "{% endfor %}" * 19,
    "nested_if_150": "{% if 1 %}" * 150 + "{% endif %}" * 150,
    "nested_macro": "{% macro m() %}" * 90 + "{% endmacro %}" * 90,
    "nested_with": "{% with a = 1 %}" * 300 + "{% endwith %}" * 300,
    "nested_blocks": "".join("{%% block b%d %%}" % i for i in range(300)) + "{% endblock %}" * 300,
    "nested_call": "{% macro m() %}{{ caller() }}{% endmacro %}" + "{% call m() %}" * 90 + "{% endcall %}" * 90,
    "nested_set_block": "{% set a %}" * 300 + "{% endset %}" * 300,
    "nested_filter_block": "{% filter upper %}" * 300 + "{% endfilter %}" * 300,
    "constant_power": "{{ 9 ** 9 ** 9 }}",
    "constant_product": "{{ 'a' * 10 ** 9 }}{{ 'a' * 9 ** 9 }}",
    "constant_filter": "{{ 'a' | center(10 ** 9) }}{{ 'a' | center(999999999) }}",
    "constant_concat": "{{ " + "~".join(["'" + "a" * 500 + "'"] * 900) + " }}",
    "constant_escape": "{% autoescape true %}{{ '"
    + "<" * 400_000
    + "' | e | forceescape | forceescape }}{% endautoescape %}",
    "constant_tests": "{{ 1 is divisibleby 0 }}{{ 'a' is in 'b' }}",
    "constant_compare": "{{ " + " < ".join(["1"] * 3000) + " }}",
    "constant_replace": "{{ ('" + "a" * 100_000 + "' | replace('a', '" + "b" * 100_000 + "')) | length }}",
    "constant_indent": "{{ '" + "a\\n" * 100_000 + "' | indent(99999) }}",
    "constant_list": "{{ range(99999) | list | length }}" * 2000,
    "constant_format": "{{ '%999999999d' | format(1) }}",
    "constant_json": "{{ [1] | tojson(indent=999999999) }}",
    "constant_batch": "{{ [1] | batch(999999999, 1) | list }}",
    "generation_nested": "{% generation %}" * 300 + "{% endgeneration %}" * 300,
}
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
