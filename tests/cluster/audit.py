"""What the API server writes into its audit log, the same in every cluster of ours: tests count requests in it."""

import json

FILE = "audit-policy.json"


def policy() -> str:
    """Returns the audit policy: every request once, when it is answered, without bodies."""
    return (
        json.dumps(
            {
                "apiVersion": "audit.k8s.io/v1",
                "kind": "Policy",
                "omitStages": ["RequestReceived"],
                "rules": [{"level": "Metadata"}],
            },
            indent=2,
        )
        + "\n"
    )
