"""``python -m drf`` is the ``drf`` command."""

import sys

from drf.cli import main

if __name__ == "__main__":
    sys.exit(main())
