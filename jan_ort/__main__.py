"""``python -m jan_ort`` is ``jan-ort``: the first thing that it does is to listen for being told to stop."""

import sys

from jan_ort.cli.early_end import end_when_told
from jan_ort.cli.missing_streams import open_missing_streams


def run() -> None:
    """Run the command of the command line, whose imports take a second. Raises: SystemExit."""
    open_missing_streams()
    if next((each for each in sys.argv[1:] if not each.startswith("-")), "") == "serve":
        end_when_told()
    try:
        from jan_ort.cli.program import main

        main()
    except KeyboardInterrupt:
        sys.exit("Aborted!")  # as click ends the commands themselves


if __name__ == "__main__":
    run()
