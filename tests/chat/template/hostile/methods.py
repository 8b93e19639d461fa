"""Templates that ask for too much, or for access, by what Python and its libraries offer beside."""

# ruff: noqa: E501  (a template is one line, and full of braces)

from tests.chat.template.hostile.parts import END, LONG, LOOP

METHODS: dict[str, str] = {
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
