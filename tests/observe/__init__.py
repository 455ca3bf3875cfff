"""Watching one's own."""
