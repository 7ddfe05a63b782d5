"""The books' recipes and ours, timed side by side on the same machine and data: `python -m bench`."""
