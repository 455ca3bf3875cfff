"""History: what is written is found, stays within its limits, and outlives what happens to it."""
