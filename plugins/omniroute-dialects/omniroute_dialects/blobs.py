"""Media by value: data URLs, mime types, and what the first bytes really are."""

from __future__ import annotations

import base64
import re

from omniroute_hooks import Blob

_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*?)(;base64)?,", re.IGNORECASE)
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_ALIASES = {"image/jpg": "image/jpeg", "audio/x-wav": "audio/wav", "audio/mpeg3": "audio/mp3"}


def blob_of_url(url: str) -> Blob:
    """A URL as it stands in a request: data URLs are taken apart."""
    match = _DATA_URL.match(url)
    if match is None:
        return Blob(url=url)
    rest = url[match.end() :]
    if match[3]:
        return blob_of_base64(rest, match[1] or None)
    return Blob(mime=match[1] or "text/plain", text=rest)


def blob_of_base64(data: str, mime: str | None) -> Blob:
    """Base64 data; a wrong image type, which vendors refuse, is put right by looking at the bytes."""
    mime = _ALIASES.get(mime or "", mime)
    if mime is None or mime.startswith("image/") or mime == "application/octet-stream":
        mime = _sniff(data) or mime
    return Blob(mime=mime, data=data)


def data_url(blob: Blob) -> str | None:
    """The blob as a URL: its own, or a data URL; None for file ids."""
    if blob.url is not None:
        return blob.url
    if blob.data is not None:
        return f"data:{blob.mime or 'application/octet-stream'};base64,{blob.data}"
    if blob.text is not None:
        return f"data:{blob.mime or 'text/plain'};base64,{base64.b64encode(blob.text.encode()).decode()}"
    return None


def text_of(blob: Blob) -> str | None:
    """The text of a text file, None for anything else."""
    if blob.text is not None:
        return blob.text
    if blob.data is not None and blob.mime is not None and blob.mime.startswith("text/"):
        try:
            return base64.b64decode(blob.data).decode("utf-8", "replace")
        except ValueError:  # not base64, or not even ASCII
            return None
    return None


def _sniff(data: str) -> str | None:
    try:
        head = base64.b64decode(data[:32] + "=" * (-len(data[:32]) % 4))
    except ValueError:  # not base64, or not even ASCII
        return None
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((mime for magic, mime in _MAGIC if head.startswith(magic)), None)
