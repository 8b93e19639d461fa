"""The template is the example of the README, letter for letter."""

import re
from pathlib import Path

BACKENDS = Path(__file__).parents[3] / "backends"


def test_the_readme_shows_the_templates_own_source() -> None:
    source = (BACKENDS / "template" / "src" / "jan_ort_counting" / "__init__.py").read_text(encoding="utf-8")

    (shown,) = re.findall(r"```python\n(.*?)```", (BACKENDS / "README.md").read_text(encoding="utf-8"), re.DOTALL)

    assert shown == source
