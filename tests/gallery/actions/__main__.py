"""What the gallery's processes do: `python3 actions ACTION ARG...`, each in a process of its own.

Stand-alone on purpose: it runs as victim or killer, also inside namespaces and as other users.
"""

import sys

import crowds
import killers
import memory
import terminals
import tracers
import twists
import victims

MODULES = (crowds, killers, memory, terminals, tracers, twists, victims)

if __name__ == "__main__":
    name = f"act_{sys.argv[1]}"
    next(getattr(m, name) for m in MODULES if hasattr(m, name))(*sys.argv[2:])
