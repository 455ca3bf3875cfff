"""Sources: parsers against plain readers, real records and hostile bytes."""
