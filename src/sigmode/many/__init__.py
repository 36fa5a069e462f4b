"""Many initial value problems at once."""
