"""Published weights by name: which there are, how they get here, and in which form they are kept.

`table` and `fetching` need neither torch nor the hosts; `conversion` does.
"""
