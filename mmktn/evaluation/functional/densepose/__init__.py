"""Dense pose against annotated points, vertices and masks."""
