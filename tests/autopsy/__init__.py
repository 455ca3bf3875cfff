"""Real dumps, and what is changed in them at test time."""
