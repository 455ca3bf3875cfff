"""Questions: which sources, which process, one answer."""
