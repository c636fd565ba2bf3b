"""From the socket to a request that is understood: addresses, the body, and the caller's end of the answer."""
