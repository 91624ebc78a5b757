"""`python -m mmktn synthesize`, where mim and habit look for it."""

import sys

from mmktn.synthetic.command import main

if __name__ == "__main__":
    sys.exit(main())
