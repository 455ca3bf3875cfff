"""How many examples hypothesis tries: `make fuzz` asks for many more."""

import os

EXAMPLES = 10_000 if os.environ.get("KILLTRAIL_FUZZ") else 200
