"""Renderers: finished verdicts in, text out. No questions are asked here."""
