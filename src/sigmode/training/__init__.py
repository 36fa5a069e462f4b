"""One network for a whole span, trained, and the verdict on it."""
