"""`python -m mmktn publish`, where mim and habit look for it."""

import sys

from mmktn.apis.publish_command import main

if __name__ == "__main__":
    sys.exit(main())
