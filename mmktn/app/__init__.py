"""A local page: photo in, dense pose out (`python -m mmktn app`, docs/app.md)."""
