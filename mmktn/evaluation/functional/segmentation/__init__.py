"""Labels of body or parts at the pixels of boxes."""
