"""Which scope opens which route, what is told in the audit log, and quotas over quotas."""

import pytest

from api.doors import Door, Need, bytes_of, need, of_job, told
from api.main import create_app
from medley.quota import Quota
from medley.settings import Settings
from orchestrator.keys import Scope


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [
        ("GET", "/healthz", Door.OPEN),
        ("GET", "/openapi.json", Door.OPEN),
        ("POST", "/v1/session", Door.OPEN),
        ("GET", "/v1/session", Door.KNOWN),
        ("GET", "/metrics", Door.METRICS),
        ("GET", "/v1/keys", Scope.ADMIN),
        ("GET", "/v1/keys/", Scope.ADMIN),
        ("GET", "/v1/audit", Scope.ADMIN),
        ("HEAD", "/v1/assets/asset_1/content", Scope.READ),
        ("GET", "/v1/jobs/job_1/events", Scope.READ),
        ("POST", "/v1/jobs", Scope.RUN),
        ("POST", "/v1/jobs/job_1/cancel", Scope.RUN),
        ("PATCH", "/v1/jobs/job_1/plan", Scope.RUN),
        ("POST", "/v1/responses", Scope.RUN),
        ("PUT", "/v1/assets", Scope.RUN),
        ("DELETE", "/v1/assets/asset_1", Scope.MANAGE),
        ("POST", "/v1/workflows", Scope.MANAGE),
        ("POST", "/v1/workflows/wf_1/runs", Scope.RUN),
        ("POST", "/v1/workflows/validate", Scope.RUN),
        ("PUT", "/v1/workflows/wf_1/tool", Scope.MANAGE),
        ("POST", "/v1/webhook_endpoints/we_1/rotate_secret", Scope.MANAGE),
        ("POST", "/v1/models/org/name/load", Scope.OPERATE),
        ("POST", "/v1/models/org/name/unload", Scope.OPERATE),
        ("DELETE", "/v1/models/org/name", Scope.OPERATE),
        ("GET", "/v1/models/org/name", Scope.READ),
        ("POST", "/mcp", Scope.RUN),
        ("GET", "/mcp", Scope.RUN),
        ("POST", "/something/new", Scope.RUN),
        ("TRACE", "/v1/jobs", Scope.MANAGE),
        ("GET", "/v1/keys\n", Scope.READ),  # no route is there
    ],
)
def test_what_a_route_asks_for(method: str, path: str, wanted: Need) -> None:
    assert need(method, path) == wanted


def test_no_route_that_changes_things_is_open_or_only_read() -> None:
    harmless = {
        ("/v1/session", "POST"),
        ("/v1/session", "DELETE"),
        ("/v1/jobs/{job_id}/token", "POST"),
    }
    paths = create_app(Settings()).openapi()["paths"]
    found = {
        (path, method.upper()): need(method.upper(), path)
        for path, methods in paths.items()
        for method in methods
        if method not in ("get", "head")
    }

    assert {
        what for what, door in found.items() if door in (Door.OPEN, Door.KNOWN, Scope.READ)
    } == harmless
    assert all(
        door in (Scope.MANAGE, Scope.ADMIN)
        for (path, method), door in found.items()
        if method == "DELETE" and path != "/v1/session"
    )


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [
        ("POST", "/v1/models/org/name/load", ("model.load", "org/name")),
        ("PUT", "/v1/workflows/wf_1/tool", ("workflow.publish", "wf_1")),
        ("DELETE", "/v1/workflows/wf_1/tool", ("workflow.withdraw", "wf_1")),
        ("POST", "/v1/webhook_endpoints", ("webhook.create", "")),
        ("POST", "/v1/webhook_endpoints/we_1/rotate_secret", ("webhook.rotate_secret", "we_1")),
        ("DELETE", "/v1/jobs/job_1", ("jobs.delete", "job_1")),
        ("DELETE", "/v1/keys/key_1", None),
        ("GET", "/v1/jobs/job_1", None),
        ("POST", "/v1/jobs", None),
    ],
)
def test_what_the_audit_log_tells(method: str, path: str, wanted: tuple[str, str] | None) -> None:
    assert told(method, path) == wanted


def test_a_token_opens_the_rooms_of_its_job_and_no_other() -> None:
    assert of_job("/v1/jobs/job_1", "job_1")
    assert of_job("/v1/jobs/job_1/events", "job_1")
    assert not of_job("/v1/jobs/job_11", "job_1")
    assert not of_job("/v1/jobs", "job_1")
    assert not of_job("/v1/jobs/job_2/../job_1", "job_1")
    assert bytes_of("/v1/assets/asset_0a/content") == "asset_0a"
    assert bytes_of("/v1/assets/asset_%/content") is None
    assert bytes_of("/v1/assets/asset_0a") is None


def test_a_keys_quota_lies_over_the_installations() -> None:
    default = Quota(open_jobs=5, jobs_per_day=100)
    own = Quota.model_validate({"jobs_per_day": None, "tokens_per_day": 9})

    assert own.over(default) == Quota(open_jobs=5, tokens_per_day=9)
    assert own.over(default).beyond(default) == ["jobs_per_day"]
    assert Quota(open_jobs=6, jobs_per_day=1).beyond(default) == ["open_jobs"]
    assert Quota(open_jobs=0, jobs_per_day=0).beyond(default) == []
    assert not Quota(requests_per_minute=1).counts_jobs
