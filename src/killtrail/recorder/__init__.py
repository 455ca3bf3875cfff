"""The flight recorder: once armed it records without a process of its own."""
