"""Audit rules: those that record the sender, and what is wrong with others."""
