"""`python -m mmktn fold`, where mim and habit look for it."""

import sys

from mmktn.apis.fold_command import main

if __name__ == "__main__":
    sys.exit(main())
