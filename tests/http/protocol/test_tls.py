"""https: both versions of HTTP, certificates that are wrong before the start, and those that change meanwhile."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import trustme

from jan_ort.http.tls import ServerTls, TlsError
from jan_ort.settings.schema import Settings, SettingsError
from tests.http.protocol.raw_clients import GET_HEALTH, changed, http2, listening

_CA = trustme.CA()
_PAIR = _CA.issue_cert("localhost", "127.0.0.1")


def write(folder: Path, pair: trustme.LeafCert = _PAIR) -> tuple[Path, Path]:
    cert, key = folder / "cert.pem", folder / "key.pem"
    for path, blobs in ((cert, pair.cert_chain_pems), (key, [pair.private_key_pem])):
        path.write_bytes(b"".join(each.bytes() for each in blobs))
        later = path.stat().st_mtime_ns + 10**9  # where a file's times are coarse
        os.utime(path, ns=(later, later))
    return cert, key


def trusting(*alpn: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without Windows' own certificates, which take a long turn
    _CA.configure_trust(context)
    context.set_alpn_protocols(list(alpn))
    return context


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path)


@pytest.fixture
async def port(files: tuple[Path, Path]) -> AsyncIterator[int]:
    async with listening(tls_cert=files[0], tls_key=files[1]) as number:
        yield number


async def serial(port: int) -> str:
    """Return the serial number of the certificate that a new connection gets."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting("http/1.1"))
    found = writer.get_extra_info("peercert")["serialNumber"]
    writer.close()
    return str(found)


async def test_http_1_is_answered(port: int) -> None:
    async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=trusting()) as client:
        answer = await client.post("/v1/completions", json={"prompt": "a", "max_tokens": 3})

    assert (answer.status_code, answer.json()["usage"]["completion_tokens"]) == (200, 3)


async def test_http_2_is_agreed_by_alpn(port: int) -> None:
    async with http2(port, ssl=trusting("h2", "http/1.1")) as client:
        stream = client.request(changed(GET_HEALTH, scheme="https"))

        assert await client.status_of(stream) == "200"
        assert client.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"


async def test_plain_http_and_old_tls_are_not_answered(port: int) -> None:
    with pytest.raises(httpx.TransportError):
        async with httpx.AsyncClient(verify=trusting()) as client:
            await client.get(f"http://127.0.0.1:{port}/health")
    old = trusting()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1

    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", port, ssl=old)


async def test_a_new_certificate_is_for_new_connections_and_ends_no_old_one(
    port: int, files: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "jan_ort.http.tls")
    async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=trusting()) as client:
        before = _own_end(await client.get("/health"))
        renewed = _CA.issue_cert("127.0.0.1")
        first = await serial(port)

        write(files[0].parent, renewed)
        second = await serial(port)
        after = _own_end(await client.get("/health"))

    assert first != second
    assert before == after, "the connection went on"
    assert "the certificate was read again" in caplog.text


def _own_end(answer: httpx.Response) -> object:
    return answer.extensions["network_stream"].get_extra_info("client_addr")


async def test_half_a_new_pair_leaves_the_old_one_until_it_is_whole(
    port: int, files: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    first, old_key = await serial(port), files[1].read_bytes()
    write(files[0].parent, _CA.issue_cert("127.0.0.1"))
    new_key = files[1].read_bytes()
    files[1].write_bytes(old_key)
    half = await serial(port)

    files[1].write_bytes(new_key)
    os.utime(files[1], ns=(2 * 10**18, 2 * 10**18))

    assert half == first
    assert "is not that of the certificate" in caplog.text
    assert await serial(port) != first


def test_one_file_may_hold_both(tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    _PAIR.private_key_and_cert_chain_pem.write_to_path(str(both))

    assert ServerTls(both, None).context.cert_store_stats()["x509"] == 0


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("cert.pem", None, "--tls-cert: .*cert.pem cannot be read: No such file"),
        ("key.pem", None, "--tls-key: .*key.pem cannot be read: No such file"),
        ("cert.pem", b"\x30\x82", "cert.pem holds no certificate in PEM"),
        ("key.pem", _PAIR.cert_chain_pems[0].bytes(), "key.pem holds no private key in PEM"),
        ("cert.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be used: "),
        ("key.pem", _CA.issue_cert("b.test").private_key_pem.bytes(), "key.pem is not that of the certificate in"),
    ],
)
def test_what_is_wrong_is_told_before_the_start(
    files: tuple[Path, Path], name: str, content: bytes | None, said: str
) -> None:
    path = files[0].parent / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(TlsError, match=said):
        ServerTls(*files)


def test_an_encrypted_key_is_told_with_the_remedy(files: tuple[Path, Path]) -> None:
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    key = serialization.load_pem_private_key(files[1].read_bytes(), None)
    form, algorithm = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pass")
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, algorithm))

    with pytest.raises(TlsError, match=r"is encrypted, and the server cannot ask .*openssl pkey"):
        ServerTls(*files)


@pytest.mark.parametrize(("days", "said"), [(-1, "certificate has expired"), (3, "expires in 3.0 days"), (30, "")])
def test_a_certificate_that_is_about_to_end_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, days: int, said: str
) -> None:
    end = datetime.now(UTC) + timedelta(days=days, minutes=5)
    files = write(tmp_path, _CA.issue_cert("localhost", not_after=end, not_before=end - timedelta(days=60)))

    ServerTls(*files).warn()

    assert said in caplog.text
    assert bool(said) == bool(caplog.text)


def test_a_key_without_a_certificate_is_refused(files: tuple[Path, Path]) -> None:
    with pytest.raises(SettingsError, match=r"--tls-key .*a key needs its certificate"):
        Settings.read(tls_key=str(files[1]))
