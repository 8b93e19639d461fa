"""The settings of TLS: the server's certificate and its key."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings


class TlsSettings(BaseSettings):
    """What the operator decides about https."""

    tls_cert: Path | None = Field(
        None,
        description="Certificate in PEM, with the chain after it: the server then speaks only https. It is read again "
        "when it or the key changes.",
    )
    tls_key: Path | None = Field(
        None,
        description="Private key of --tls-cert in PEM, not encrypted; not needed if the certificate's file has it.",
    )

    @field_validator("tls_cert", "tls_key")
    @classmethod
    def _expand_tls_path(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser()

    @field_validator("tls_key")
    @classmethod
    def _go_with_certificate(cls, path: Path | None, others: ValidationInfo) -> Path | None:
        if path is not None and "tls_cert" in others.data and others.data["tls_cert"] is None:
            raise ValueError("a key needs its certificate (--tls-cert)")
        return path
