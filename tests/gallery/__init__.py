"""Real deaths with their true answers."""
