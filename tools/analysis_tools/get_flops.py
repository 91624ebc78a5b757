"""`python -m mmktn flops`, where mim and habit look for it."""

import sys

from mmktn.apis.flops_command import main

if __name__ == "__main__":
    sys.exit(main())
