"""How a signal was generated (tracepoint signal:signal_generate): from its stack, its code, or a record of the call."""
