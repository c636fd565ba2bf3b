"""The data plane: what one request passes through, one module a station."""
