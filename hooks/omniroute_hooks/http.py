"""The guarded HTTP client that the kernel hands to plugins.

It obeys the user's proxies, has deadlines, keeps no cookies and follows no
redirect to another host. Plugins never open a client of their own.
"""

from __future__ import annotations

import httpx

Http = httpx.AsyncClient
