"""`python3 -m killtrail`; also run as a file, by `./run`, and as the single file's entry point.

In syntax that Python 2.6 reads, so that an old interpreter gives one line instead of a traceback.
"""

import os
import sys

if sys.version_info < (3, 11):  # noqa: UP036 -- pip checks this, a copied file does not
    sys.exit("killtrail: python3 >= 3.11 is needed, this is %d.%d" % sys.version_info[:2])  # noqa: UP031
if not __package__:
    # Isolated (-I), Python adds no folder of its own.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120

from killtrail.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
