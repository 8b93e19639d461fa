"""What hostile templates are made of."""

LONG = "{% set s = 'a' * 1000000 %}"
LOOP = "{% for i in range(900) %}{% for j in range(999) %}"
END = "{% endfor %}{% endfor %}"
