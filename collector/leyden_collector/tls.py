"""TLS: the certificate and key that the collector serves with, read once and checked before anything listens."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from leyden_store.errors import LeydenError


class TlsInvalid(LeydenError):
    """The certificate or the key cannot be served with."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files, and what is in them for gRPC, which wants the bytes."""

    cert: Path
    key: Path
    cert_pem: bytes
    key_pem: bytes


def read_tls(cert: Path | None, key: Path | None) -> Tls | None:
    """The pair; None when neither is given. Raises TlsInvalid when one is missing, unreadable, or not the other's."""
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise TlsInvalid("TLS needs both: give --tls-cert and --tls-key")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key)
        return Tls(cert, key, cert.read_bytes(), key.read_bytes())
    except OSError as error:  # ssl.SSLError is one
        why = error.strerror or str(error)
        raise TlsInvalid(
            f"cannot serve TLS with {cert} and {key}: {why}; both are PEM files, the key without a password"
        ) from error
