"""One question: find the target, choose sources, fuse what they say, ask attribution."""
