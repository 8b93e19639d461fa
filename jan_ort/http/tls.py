"""TLS of the server: a certificate that is examined before the start, and read again when its files change (hop 1)."""

from __future__ import annotations

import logging
import ssl
import time
from pathlib import Path

from jan_ort.ground.file_stamp import Stamp, stamp_of
from jan_ort.settings.tls import TlsSettings

logger = logging.getLogger(__name__)

_SOON_S = 7 * 86400
_DAY_S = 86400

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: HTTP/2 allows no others (RFC 9113, section 9.2.2)."""


class TlsError(Exception):
    """Raised when the certificate and its key cannot be served with; the message names the file and the remedy."""


class ServerTls:
    """The certificate of the settings. A pair of files that is wrong when it changes leaves the one before in use."""

    def __init__(self, cert: Path, key: Path | None) -> None:
        """Read both. Raises: TlsError."""
        self._cert, self._key = cert, key or cert
        self._stamp = self._stamp_now()
        self._current = self._read()
        self.context = self._read()
        """What a listener is given; each handshake goes on with the newest certificate."""
        self.context.sni_callback = self._take_newest

    def _take_newest(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        """Called at each handshake, whether the client names a server or not."""
        stamp, before = self._stamp_now(), self._stamp
        if stamp != before:
            self._stamp = stamp
            try:
                self._current = self._read()
                logger.info("the certificate was read again from %s", self._cert)
                self.warn()
            except TlsError as error:
                logger.warning("the certificate stays as it was: %s", error)
        connection.context = self._current

    def _stamp_now(self) -> tuple[Stamp | None, ...]:
        return tuple(map(stamp_of, (self._cert, self._key)))

    def _read(self) -> ssl.SSLContext:
        _check_holds(self._cert, b"CERTIFICATE-----", "certificate in PEM", "--tls-cert")
        _check_holds(self._key, b"PRIVATE KEY-----", "private key in PEM", "--tls-key")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers(_CIPHERS)
        context.set_alpn_protocols(["h2", "http/1.1"])
        try:
            context.load_cert_chain(self._cert, self._key, password=self._refuse_encrypted)
        except ssl.SSLError as error:
            raise self._wrong(error) from error
        except OSError as error:  # between the check and now
            raise TlsError(f"{self._cert} or {self._key} cannot be read: {error.strerror}") from error
        return context

    def _refuse_encrypted(self) -> str:
        raise TlsError(
            f"the key in {self._key} is encrypted, and the server cannot ask for its password: decrypt it "
            "(openssl pkey -in KEY -out NEW_KEY), readable only by the server's user (chmod 600)"
        )

    def _wrong(self, error: ssl.SSLError) -> TlsError:
        if error.reason == "KEY_VALUES_MISMATCH":
            return TlsError(f"the key in {self._key} is not that of the certificate in {self._cert}; give the pair")
        said = (error.reason or str(error)).replace("_", " ").lower()
        return TlsError(
            f"{self._cert} with {self._key} cannot be used: {said}; give files in PEM as openssl writes them"
        )

    def warn(self) -> None:
        """Log what clients will refuse, such as an expired certificate, and what they soon will."""
        try:
            not_after = _shaken_hands(self._current, self._cert.read_text("latin-1"))
        except ssl.SSLCertVerificationError as error:
            logger.warning("clients will refuse the certificate in %s: %s", self._cert, error.verify_message)
        except (OSError, ssl.SSLError) as error:
            logger.warning("the certificate in %s could not be examined: %s", self._cert, error)
        else:
            left_s = ssl.cert_time_to_seconds(not_after) - time.time()
            if left_s < _SOON_S:
                logger.warning("the certificate in %s expires in %.1f days: %s", self._cert, left_s / _DAY_S, not_after)


def server_tls(settings: TlsSettings) -> ServerTls | None:
    """Return what the settings say, None for plain http. Raises: TlsError."""
    if settings.tls_cert is None:
        return None
    return ServerTls(settings.tls_cert, settings.tls_key)


def _check_holds(path: Path, marker: bytes, what: str, flag: str) -> None:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TlsError(f"{flag}: {path} cannot be read: {error.strerror}") from error
    if marker not in content:
        raise TlsError(f"{flag}: {path} holds no {what}; name the file that does")


def _shaken_hands(server: ssl.SSLContext, certificates: str) -> str:
    """Return until when a client that knows these certificates takes the server's.

    Raises: ssl.SSLCertVerificationError, in whose words it refuses it. The names are not looked at.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(cadata=certificates)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(back, there)
    answering = server.wrap_bio(there, back, server_side=True)
    for side in (asking, answering, asking, answering):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    found = asking.getpeercert() or {}
    return str(found["notAfter"])
