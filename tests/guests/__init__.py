"""Deaths in emulated machines."""
