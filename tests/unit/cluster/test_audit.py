import json

from cluster import audit


def test_the_audit_log_has_one_line_per_request() -> None:
    policy = json.loads(audit.policy())
    assert policy["omitStages"] == ["RequestReceived"]
    assert policy["rules"] == [{"level": "Metadata"}]
