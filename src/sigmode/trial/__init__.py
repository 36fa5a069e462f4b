"""What a trial solution is, what can be read off it, results and files. It knows no equation."""
