"""The vault: seals short secrets so that the database file alone gives none of them away.

AES-256-GCM under a key derived from STORAGE_ENCRYPTION_KEY or from ``DATA_DIR/secret.key``. A sealed value is
``enc:v1:<base64url of nonce + ciphertext>`` and is bound to the kind and id of its record, so it cannot be moved
to another one. The other secrets of the gateway are derived from the same key unless the user sets them.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from core.settings import Settings
from core.store.errors import VaultLocked

PREFIX = "enc:v1:"
KEY_FILE = "secret.key"
NONCE_BYTES = 12  # what GCM is defined for; random, which is safe far beyond the number of writes here
_CHECK = ("vault", "check", "this key opens the store")


class Vault:
    """Seals and unseals text, and holds the derived secrets. Safe to use from several threads."""

    def __init__(
        self, master: bytes, *, source: str, jwt_secret: str | None = None, api_key_secret: str | None = None
    ) -> None:
        """``source`` names where the master key came from, for error messages."""
        self._cipher = AESGCM(_derive(master, b"seal"))
        self._source = source
        self.session_secret = _derive(jwt_secret.encode() if jwt_secret else master, b"session")
        """32 bytes that key the hashes of session tokens."""
        self.api_key_secret = _derive(api_key_secret.encode() if api_key_secret else master, b"api-key")
        """32 bytes that key the hashes of API keys."""

    def __repr__(self) -> str:
        return f"Vault(key from {self._source})"

    def seal(self, kind: str, record_id: str, text: str) -> str:
        """Seal ``text`` for one record. Sealing the same text twice gives different results."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, text.encode(), _bound_to(kind, record_id))
        return PREFIX + base64.urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def unseal(self, kind: str, record_id: str, sealed: str) -> str:
        """The text that was sealed for this record.

        Errors: `VaultLocked` for another key, another record's value, or a damaged one.
        """
        try:
            if not sealed.startswith(PREFIX):
                raise ValueError("not a sealed value")
            body = sealed[len(PREFIX) :]
            raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
            opened = self._cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _bound_to(kind, record_id))
            return opened.decode()
        except (InvalidTag, ValueError, binascii.Error) as exc:
            raise VaultLocked(
                f"A sealed value ({kind} {record_id}) cannot be opened with the key from {self._source}: "
                "the key is another one, or the value was altered."
            ) from exc

    def proof(self) -> str:
        """A sealed constant that a store keeps, to recognise the right key when it is opened again."""
        return self.seal(*_CHECK)

    def verify(self, proof: str) -> None:
        """Errors: `VaultLocked` when the store that keeps ``proof`` was sealed with another key."""
        try:
            self.unseal(*_CHECK[:2], proof)
        except VaultLocked as exc:
            raise VaultLocked(
                f"The credentials in this store were sealed with another key than the one from {self._source}. "
                "Put the right key back: the secret.key file or the STORAGE_ENCRYPTION_KEY that was in use when they "
                "were saved. Nothing was changed. If that key is lost for good, move the database file away to begin "
                "with a new store."
            ) from exc


def open_vault(settings: Settings, *, may_create: bool) -> Vault:
    """The vault of ``settings.data_dir``; touches the disk, so call it from a worker thread.

    ``may_create`` says whether a missing key file may be made: never for a store that holds sealed values.
    Several processes may call this at once and all get the same key.

    Errors: `VaultLocked` when the key is missing or unreadable.
    """
    if settings.storage_encryption_key:
        master, source = settings.storage_encryption_key.encode(), "STORAGE_ENCRYPTION_KEY"
    else:
        path = settings.data_dir / KEY_FILE
        if may_create and not path.exists():
            _create_key(path)
        master, source = _read_key(path), str(path)
    return Vault(master, source=source, jwt_secret=settings.jwt_secret, api_key_secret=settings.api_key_secret)


def _bound_to(kind: str, record_id: str) -> bytes:
    return b"\x00".join((b"omniroute", kind.encode(), record_id.encode()))


def _derive(master: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=b"omniroute v1", info=purpose).derive(master)


def _create_key(path: Path) -> None:
    """Write a new key whole, then give it its name in one step; if another process was faster, its key stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(base64.urlsafe_b64encode(secrets.token_bytes(32)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        # link() and not rename(): rename would replace a key that another process has just made.
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links; the store's start-up lock has to do there
            if not path.exists():
                os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _read_key(path: Path) -> bytes:
    try:
        key = path.read_bytes().strip()
    except FileNotFoundError:
        raise VaultLocked(
            f"{path} is missing, and the credentials in this store were sealed with it. Put the file back from your "
            "backup, or set STORAGE_ENCRYPTION_KEY if that was in use. Nothing was changed."
        ) from None
    except OSError as exc:
        raise VaultLocked(f"{path} cannot be read: {exc.strerror or exc}. Nothing was changed.") from exc
    if len(key) < 43:
        raise VaultLocked(f"{path} does not hold a whole key. Put it back from your backup. Nothing was changed.")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        with contextlib.suppress(OSError):  # another user's file: readable is all that matters here
            path.chmod(0o600)
    return key
