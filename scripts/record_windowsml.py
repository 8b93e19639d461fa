"""Record the names of the package windowsml that are used: tests/fixtures/windowsml/surface.json.

The package runs on Windows alone, so its source is read: members of its classes, their parameters, values of its enums.

Run: python scripts/record_windowsml.py windowsml-2.5.96-py3-none-win_amd64.whl
The wheel: python -m pip download --no-deps --platform win_amd64 --only-binary=:all: windowsml==2.5.96
"""

import ast
import json
import sys
import zipfile
from pathlib import Path

TARGET = Path(__file__).parent.parent / "tests" / "fixtures" / "windowsml" / "surface.json"
CLASSES = ("EpCatalog", "ExecutionProvider", "EpReadyState", "EpCertification")


def main(wheel: Path) -> None:
    """Write the names that a wheel's source has."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(("windowsml/__init__.py", "_bindings.py"))]
        trees = [ast.parse(archive.read(name)) for name in names]
    bodies = {node.name: node.body for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)}
    surface = {name: dict(filter(None, map(described, bodies[name]))) for name in CLASSES}
    recorded = {"package": "-".join(wheel.stem.split("-")[:2]), "classes": surface}
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(recorded, indent=2) + "\n")


def described(node: ast.stmt) -> tuple[str, object] | None:
    """Return the name of a class's member, and a method's parameters, "property", or an enum's value."""
    if isinstance(node, ast.FunctionDef):
        decorators = [ast.unparse(each) for each in node.decorator_list]
        return node.name, decorators[0] if decorators else [each.arg for each in node.args.args]
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
        return ast.unparse(node.targets[0]), node.value.value
    return None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
