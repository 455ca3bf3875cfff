"""This machine: rules, procfs, users."""
