"""`python -m mmktn logs`, where mim and habit look for it."""

import sys

from mmktn.utils.logs_command import main

if __name__ == "__main__":
    sys.exit(main())
