"""The package as a program imports it."""
