"""Audit rules: those that answer who killed, and what is wrong with others."""
