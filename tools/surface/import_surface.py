"""`python -m mmktn surface`, where mim and habit look for it."""

import sys

from mmktn.surface.import_command import main

if __name__ == "__main__":
    sys.exit(main())
