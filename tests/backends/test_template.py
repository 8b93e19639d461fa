"""The template is the example of the README, letter for letter."""

import re
import tomllib
from pathlib import Path

BACKENDS = Path(__file__).parents[2] / "backends"


def test_the_readme_shows_the_templates_own_source() -> None:
    source = (BACKENDS / "template" / "src" / "jan_ort_counting" / "__init__.py").read_text(encoding="utf-8")

    (shown,) = re.findall(r"```python\n(.*?)```", (BACKENDS / "README.md").read_text(encoding="utf-8"), re.DOTALL)

    assert shown == source


def test_the_template_depends_on_the_distribution_and_imports_the_interface_alone() -> None:
    template = BACKENDS / "template"
    project = tomllib.loads((template / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    source = (template / "src" / "jan_ort_counting" / "__init__.py").read_text(encoding="utf-8")

    assert project["dependencies"] == ["jan-ort", "numpy>=2.0"]
    assert set(re.findall(r"(?:from|import) (jan_ort\w*)", source)) == {"jan_ort_backends"}
