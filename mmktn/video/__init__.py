"""Films: reading and writing them, people with lasting ids, smoothing, and measuring it.

No torch and no host package here; `python -m mmktn video` is `mmktn.apis.video_command`.
"""
