"""Any file opened, unpacked and searched backwards; no format is known here."""
