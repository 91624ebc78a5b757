"""`python -m mmktn label`, where mim and habit look for it."""

import sys

from mmktn.apis.label_command import main

if __name__ == "__main__":
    sys.exit(main())
