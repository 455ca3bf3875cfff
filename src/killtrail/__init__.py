"""killtrail: who killed it, how, and who started the killer."""

__version__ = "0.1.0"
