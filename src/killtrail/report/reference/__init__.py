"""The pages behind `explain`: causes, mechanisms, checks."""
