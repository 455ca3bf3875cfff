"""Watching a process of the user's choice."""
