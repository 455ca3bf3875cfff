"""Answers for machines, one module per format."""
