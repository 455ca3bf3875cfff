"""Events about one death in, a verdict out: pure functions, no files, no clock, no printing."""
