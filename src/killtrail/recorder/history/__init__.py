"""History on disk: the box, drained before it is overwritten."""
