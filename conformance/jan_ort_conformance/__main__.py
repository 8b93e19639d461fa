"""``jan-ort-conformance`` and ``python -m jan_ort_conformance``: the kit, or what to install where it cannot run."""

from __future__ import annotations

import sys

from jan_ort_conformance.cli.process_end import end_in_time

_BACKENDS = {"jan_ort_backends", "numpy"}


def run() -> None:
    """Run the command line."""
    try:
        from jan_ort_conformance.cli.kit_program import main

        main()
    except SystemExit as ended:
        end_in_time(ended.code)
        raise
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _BACKENDS:
            raise
        sys.exit(
            f"Error: {error.name} is not installed; judging a backend needs it: "
            "pip install ./openapi . './conformance[backend]' in jan-ort's folder"
        )


if __name__ == "__main__":
    run()
