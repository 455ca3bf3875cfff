"""Every screen, compared with what was agreed on."""
