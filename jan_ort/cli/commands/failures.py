"""How a command ends that could not do its work: one line that names it, and exit status 1; 2 for wrong usage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from jan_ort.ground.model_errors import ModelsError
from jan_ort.http.auth import ExposureError
from jan_ort.http.protocol.descriptors import TooManyConnections
from jan_ort.http.tls import TlsError
from jan_ort.plugins.choice import NoBackendError
from jan_ort.settings.schema import SettingsError


@contextmanager
def reported() -> Iterator[None]:
    """Turn the errors that a user can mend into click's: a wrong setting is wrong usage, the others are failures."""
    try:
        yield
    except (SettingsError, ExposureError, TlsError, TooManyConnections) as error:
        raise click.UsageError(str(error)) from error
    except (NoBackendError, ModelsError) as error:
        raise click.ClickException(str(error)) from error
    except BrokenPipeError:
        raise  # whoever reads the output has seen enough; click ends the command without a word
    except OSError as error:  # a file or a disk: the message names it
        raise click.ClickException(f"{error}; check the path, its mode and the disk's free space") from error
