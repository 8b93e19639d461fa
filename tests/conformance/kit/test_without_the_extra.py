"""Without its extra the command says what to install."""

import subprocess
import sys

RUN = "import sys; sys.modules[{name!r}] = None; from jan_ort_conformance.__main__ import run; run()"


def test_a_missing_package_is_named_with_the_remedy() -> None:
    run = subprocess.run([sys.executable, "-c", RUN.format(name="httpx")], capture_output=True, text=True, check=False)

    assert run.returncode == 1
    assert (
        run.stderr
        == "Error: httpx is not installed; the kit needs it: pip install '.[conformance]' in jan-ort's folder\n"
    )


def test_any_other_import_error_is_shown_whole() -> None:
    run = subprocess.run([sys.executable, "-c", RUN.format(name="rich")], capture_output=True, text=True, check=False)

    assert "Traceback" in run.stderr
    assert "rich" in run.stderr
