"""Watching a process of one's own."""
