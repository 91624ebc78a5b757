"""`python -m mmktn browse`, where mim and habit look for it."""

import sys

from mmktn.apis.browse_command import main

if __name__ == "__main__":
    sys.exit(main())
