"""What stops a simulator for good."""


class Failed(Exception):
    """A simulator cannot go on; the text tells the operator what to change."""


def port_taken(host: str, port: int, setting: str, cause: object) -> Failed:
    """Return the failure of a server whose port cannot be opened."""
    return Failed(f"cannot listen on {host}:{port} ({cause}); {setting} in the scenario moves it")
