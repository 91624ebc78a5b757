"""`python -m mmktn convert-stip`, where mim and habit look for it."""

import sys

from mmktn.stip.convert_command import main

if __name__ == "__main__":
    sys.exit(main())
