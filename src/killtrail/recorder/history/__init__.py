"""History on disk: the ring buffers, drained before they are overwritten."""
