"""Tests; the tree mirrors src/killtrail."""
