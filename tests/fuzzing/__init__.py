"""Coverage-guided fuzzing of what reads other people's files; needs atheris."""
