"""`python -m mmktn doctor-labels`: what looks wrong in a DensePose-COCO file, worst first.

What the checker of files finds breaks a rule; what stands here keeps the rules and is improbable
all the same: a point of the left arm among those of the right one.
"""
