"""What `make` does before it runs anything: Python, packages, screen, programs beside Python."""
