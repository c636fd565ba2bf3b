"""OmniRoute: the microkernel behind the gateway."""

__version__ = "0.1.0"
