"""Why a server cannot be had on this machine."""


class UnavailableError(Exception):
    """The text says what is missing and how it is got."""
