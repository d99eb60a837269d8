"""What becomes of a callback."""

from enum import Enum


class Verdict(Enum):
    """What becomes of a genuine callback."""

    TAKEN = "taken"
    UNKNOWN = "its pod is not known (yet)"
    FOREIGN = "it is about a pod of somebody else"
    TOO_MANY = "its pod has said a lot just now"
