"""`python -m mmktn convert`, where mim and habit look for it."""

import sys

from mmktn.apis.convert_command import main

if __name__ == "__main__":
    sys.exit(main())
