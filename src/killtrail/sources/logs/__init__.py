"""Logs and traces as sources, a module or package per format."""
