"""``python -m omniroute_hooks.testing.simulate``."""

import sys

from .command import main

sys.exit(main())
