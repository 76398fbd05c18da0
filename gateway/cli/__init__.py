"""The command line: `ganzhi`."""
