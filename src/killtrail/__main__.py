"""`python3 -m killtrail` and the zipapp's entry point."""

import sys

from killtrail.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
