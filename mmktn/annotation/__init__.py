"""The annotation pipeline of DensePose: which points to ask for, where to click, how far off.

numpy, scipy and the body surface only; no torch. DensePose paper, sections 2 and 3.
"""
