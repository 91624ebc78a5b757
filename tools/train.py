"""`python -m mmktn train`, where mim and habit look for it."""

import sys

from mmktn.apis.train_command import main

if __name__ == "__main__":
    sys.exit(main())
