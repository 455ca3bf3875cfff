"""The fallback recorder: a private tracefs instance in overwrite mode, no BPF, no BTF."""
