"""What a person is told whose values are wrong."""

from __future__ import annotations

import pytest
from helm_python import HelmError

from tests.deploy.charts import MINIMAL, Object, objects

REFUSED = [
    ({"accounts": []}, "accounts: needs at least one"),
    ({"acounts": []}, "additional properties 'acounts' not allowed"),
    ({"accounts": [{"name": "prod"}]}, "at '/accounts/0': missing property 'existingSecret'"),
    ({"accounts": [{"name": "a b", "apiKey": "k"}]}, "'a b' does not match pattern"),
    ({"accounts": [{"name": "a", "apiKey": "k"}] * 2}, 'two accounts are named "a"'),
    ({"config": {"otlp": {"headers": {"a": "b"}}}}, "properties 'headers' not allowed"),
    ({"config": {"poll": {"account": "1 minute"}}}, "at '/config/poll/account'"),
    ({"config": {"state": {"path": "/tmp/x"}}}, "additional properties 'state' not allowed"),
    ({"config": {"tap": {}}}, "additional properties 'tap' not allowed"),
    ({"config": {"webhook": {}}}, "additional properties 'webhook' not allowed"),
    ({"tap": {"proxy": True}}, "take tap.proxy out and set tap.nginx.enabled"),
    ({"tap": {"proxy": False}}, "take tap.proxy out"),
    ({"tap": {"proxy": {"listen": "x"}}}, "take tap.proxy out"),
    ({"tap": {"proxyPort": 8788}}, "is called tap.nginx.port now"),
    ({"tap": {"allowHosts": ["a.example"]}}, "tap.allowHosts: take it out"),
    ({"config": {"poll": {"account_relaxed": "10m"}}}, "account_relaxed: take it out"),
    ({"tap": {"nginx": {"listen": "x"}}}, "additional properties 'listen' not allowed"),
    (
        {
            "tap": {"enabled": True, "nginx": {"enabled": True}},
            "config": {"gateway": {"base_url": "https://gateway.example/path"}},
        },
        "the base URL https://gateway.example/path has a path",
    ),
    ({"tap": {"account": "test"}}, 'tap.account: no account is named "test"'),
    (
        {
            "tap": {"enabled": True},
            "accounts": [{"name": name, "apiKey": "k"} for name in ("a", "b")],
        },
        "tap.account: needed with several accounts",
    ),
    (
        {"tap": {"enabled": True, "nginx": {"enabled": True, "port": 9464}}},
        "tap.nginx.port: port is the same",
    ),
    ({"webhook": {"path": "hooks"}}, "at '/webhook/path'"),
    ({"config": {"usage": {"max_series": 0}}}, "at '/config/usage/max_series'"),
    ({"image": {"digest": "latest"}}, "'latest' does not match pattern '^(sha256:"),
    ({"extraEnv": [{"name": "K", "value": "sk-byts-0123"}]}, "at '/extraEnv/0/value'"),
    ({"terminationGracePeriodSeconds": 5}, "minimum: got 5, want 11"),
    ({"replicaCount": 2}, "more than one needs persistence.enabled=false"),
    ({"strategy": "RollingUpdate"}, "strategy: RollingUpdate needs persistence.enabled=false"),
    ({"podDisruptionBudget": {"enabled": True}}, "could only block node drains"),
    (
        {"serviceMonitor": {"enabled": True}, "service": {"enabled": False}},
        "podMonitor.enabled does without a Service",
    ),
    (
        {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}},
        "everything would be scraped twice",
    ),
    ({"alerts": {"thresholds": {"rateLimitRemainingRatio": 10}}}, "maximum: got 10, want 1"),
    ({"networkPolicy": {"dnsPorts": []}}, "at '/networkPolicy/dnsPorts'"),
    ({"enabled": False}, "at '/enabled': value must be true"),
]


@pytest.mark.parametrize(("values", "message"), REFUSED, ids=[text for _, text in REFUSED])
def test_a_mistake_is_refused_with_what_is_wrong(values: Object, message: str) -> None:
    with pytest.raises(HelmError) as caught:
        objects(MINIMAL | values)
    assert message in str(caught.value)
