"""killtrail: who killed a process, how, and who started the killer."""

__version__ = "0.1.0"
