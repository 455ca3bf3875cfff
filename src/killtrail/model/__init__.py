"""The words everything else speaks; imports nothing of ours."""
