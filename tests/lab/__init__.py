"""Kernels that die for real, in an emulator, and what their dumps tell."""
