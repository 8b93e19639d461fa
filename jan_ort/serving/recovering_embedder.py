"""An embedding session that is opened again after its device was lost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jan_ort.engine.recovery import Recovery, Reopen
from jan_ort_backends import DeviceLost, Session


class RecoveringEmbedder(Session):
    """``session``, replaced by a new one from ``reopen`` at the first call after a loss at which that succeeds."""

    def __init__(self, session: Session, reopen: Reopen) -> None:
        self._session = session
        self._recovery = Recovery(reopen)
        self.info = session.info

    def embed(self, batch: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Embed, or open the session again first. Raises: DeviceUnavailable; what a session's embed raises."""
        if (unavailable := self._recovery.unavailable) is not None:
            session = self._recovery.attempt(self._session)
            if session is None:
                raise unavailable
            self._session, self.info = session, session.info
        try:
            return self._session.embed(batch)
        except DeviceLost as error:
            raise self._recovery.begin(error) or error from error

    def close(self) -> None:
        """Free the session."""
        self._session.close()
