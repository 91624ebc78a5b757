"""Sizes beyond which a number in a file is taken for a mistake, before memory is asked for."""

MAX_IMAGE_PIXELS = 1 << 28
"""Pixels of an image, and cells of a mask: 16384 x 16384."""

MAX_MAP_PIXELS = 1 << 26
"""Pixels of the map of one detection: 8192 x 8192."""

MAX_OUTLINE_PIXELS = 1 << 22
"""Pixels along the outlines of all polygons of a person. Drawing takes 80 bytes for each."""

MAX_FILE_BYTES = 1 << 33
"""Bytes of a JSON file: 8 GiB."""

MAX_ID = 2**63 - 1
"""Ids are kept as 64-bit whole numbers."""

LAST_CHART = 24
"""Largest chart number that a file may have: `surface.parts.NUM_CHARTS`."""
