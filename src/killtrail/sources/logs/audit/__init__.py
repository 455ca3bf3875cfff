"""The Linux audit log: raw and enriched, of one node or several, wrapped by syslog, or as the kernel prints it."""
