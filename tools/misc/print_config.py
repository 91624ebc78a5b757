"""`python -m mmktn config`, where mim and habit look for it."""

import sys

from mmktn.utils.config_command import main

if __name__ == "__main__":
    sys.exit(main())
