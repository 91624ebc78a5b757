"""`python -m mmktn check`, where mim and habit look for it."""

import sys

from mmktn.formats.check_command import main

if __name__ == "__main__":
    sys.exit(main())
