"""Passwords: hashed with scrypt on a worker thread, so that a login never holds up a running stream."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
import unicodedata
from concurrent.futures import ThreadPoolExecutor

MIN_PASSWORD_CHARS = 8
MAX_PASSWORD_CHARS = 1024

# OWASP's password storage cheat sheet lists N=2^15, r=8, p=3 as equal in strength to its first choice, at 32 MiB a
# hash instead of 128. One thread, so a burst of logins takes that memory once.
LOG2_N, R, P = 15, 8, 3
SALT_BYTES, HASH_BYTES = 16, 32
_worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="omniroute-scrypt")


class WeakPassword(ValueError):
    """A new password is refused; the message says what is asked for."""


def check_new_password(password: str) -> str:
    """The password, if it may be set. Errors: `WeakPassword`."""
    if not MIN_PASSWORD_CHARS <= len(password) <= MAX_PASSWORD_CHARS:
        raise WeakPassword(f"a password needs {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters")
    return password


async def hash_password(password: str) -> str:
    """``scrypt$<log2 N>$<r>$<p>$<salt>$<hash>``, salt and hash in base64. Errors: `WeakPassword`."""
    check_new_password(password)
    salt = secrets.token_bytes(SALT_BYTES)
    digest = await _scrypt(password, salt, LOG2_N, R, P)
    return "$".join(("scrypt", str(LOG2_N), str(R), str(P), _b64(salt), _b64(digest)))


async def verify_password(password: str, stored: str) -> bool:
    """Whether ``stored`` is the hash of ``password``, compared in constant time.

    Errors: ValueError when ``stored`` is no hash of ours, which no password can cause.
    """
    kind, *parts = stored.split("$")
    if kind != "scrypt" or len(parts) != 5:
        raise ValueError("this is not a password hash")
    try:
        log2_n, r, p = (int(part) for part in parts[:3])
        salt, expected = (base64.b64decode(part, validate=True) for part in parts[3:])
    except (ValueError, binascii.Error) as exc:
        raise ValueError("this is not a password hash") from exc
    if len(password) > MAX_PASSWORD_CHARS:
        return False
    return hmac.compare_digest(await _scrypt(password, salt, log2_n, r, p), expected)


async def _scrypt(password: str, salt: bytes, log2_n: int, r: int, p: int) -> bytes:
    # The same accented letter has several spellings in Unicode, and systems differ in which one they type.
    secret = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")

    def work() -> bytes:
        memory = 128 * r * ((1 << log2_n) + p + 2)
        return hashlib.scrypt(secret, salt=salt, n=1 << log2_n, r=r, p=p, maxmem=memory, dklen=HASH_BYTES)

    return await asyncio.get_running_loop().run_in_executor(_worker, work)


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
