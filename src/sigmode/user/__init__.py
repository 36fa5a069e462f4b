"""The user's functions: called, checked, differentiated, compared."""
