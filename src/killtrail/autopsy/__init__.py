"""Why a machine died, from its crash dump and nothing else; on drgn, the extra `autopsy`."""
