"""The types that all other packages use; imports nothing of ours."""
