"""`python -m mmktn test`, where mim and habit look for it."""

import sys

from mmktn.apis.test_command import main

if __name__ == "__main__":
    sys.exit(main())
