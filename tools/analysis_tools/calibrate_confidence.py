"""`python -m mmktn calibrate`, where mim and habit look for it."""

import sys

from mmktn.apis.calibrate_command import main

if __name__ == "__main__":
    sys.exit(main())
