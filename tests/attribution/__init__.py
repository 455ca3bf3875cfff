"""Rules on events made by hand; the gallery has the real deaths."""
