"""`python -m mmktn annotate`: a local web page on which people label dense pose.

In layers: `store` keeps every action in SQLite; `project` knows photos, people, parts and points;
`api` serves JSON and pictures; `web` is the page, plain JavaScript modules without a build step.
"""
