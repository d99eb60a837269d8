"""The one error of this tool: its text is complete for the person who reads it."""


class ClusterError(Exception):
    """Something a person must change; the message names it and the way out."""
