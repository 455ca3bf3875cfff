"""The black box: armed once, it needs no process to keep recording."""
