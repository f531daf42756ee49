"""Settings: read from the environment (`MEDLEY_*`) and `config.toml` here, and nowhere else; passed
down as values.
"""

import os
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, IPvAnyNetwork
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from medley.quota import Quota


def _default_home() -> Path:
    # The embedded Postgres cannot live below a private home folder when it is started by root.
    if os.geteuid() == 0:
        return Path("/var/lib/medley")
    return Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local/share")) / "medley"


class Settings(BaseSettings):
    """Everything an operator can set. `MEDLEY_HOME` holds data; the two URLs replace the embedded
    servers.
    """

    model_config = SettingsConfigDict(env_prefix="MEDLEY_", extra="ignore")

    home: Path = Field(default_factory=_default_home)
    database_url: str | None = None  # postgresql://…; None: embedded Postgres
    redis_url: str | None = None  # redis:// or redis+socket://; None: embedded Valkey
    broker_url: str | None = (
        None  # Celery's broker, for example amqp://; None: the same as redis_url
    )

    host: str = "127.0.0.1"
    port: int = 8484
    allowed_hosts: tuple[str, ...] = ()  # further names under which a loopback service is called
    url: str | None = None  # where the command line finds the service; None: host and port above
    api_key: str | None = None  # what it sends as a bearer token

    model_folder: Path | None = None  # further catalogue entries (TOML files)
    profile: str = "starter"  # the set of models that serves; `medley doctor` says which fits
    models: tuple[str, ...] = ()  # ids of further models of the catalogue that serve
    commercial_only: bool = False
    device: str = "auto"
    memory_budget_bytes: int | None = None  # for models, in each worker process; None: what fits
    hub_url: str | None = None  # an OpenAI-compatible server as hub
    hub_model: str | None = None
    hub_api_key: str | None = None
    hub_reads: frozenset[Literal["image", "audio", "video"]] = frozenset()  # in chats, not as words
    hub_fallback: bool = False  # while that server is away, the best other hub stands in

    lanes: tuple[str, ...] = ("cpu", "hub", "encode", "generate")
    worker_processes: int = 2

    lease_ttl_s: float = Field(default=15.0, gt=0)
    stall_s: float = Field(default=45.0, gt=0)  # a worker that leaves work so long starts anew
    test_tools: bool = False

    metrics: bool = True  # /metrics, and what it needs to be counted
    log_format: Literal["auto", "json", "console"] = "auto"  # auto: console on a terminal
    trace_prompts: bool = False  # words of requests in exported traces

    recipes: bool = True  # downloads of produced files carry how they were made
    carried_bytes: int = 1 << 30  # of such files that are kept
    c2pa_certificate: Path | None = None  # PEM: signs them, with the extra [c2pa]
    c2pa_key: Path | None = None
    c2pa_algorithm: str = "es256"
    crash_at: str = ""

    max_upload_bytes: int = 2 << 30
    max_pixels: int = 64_000_000
    max_media_seconds: float = 3600.0
    max_frames: int = 36_000
    probe_seconds: float = 20.0  # time limit of one decode check
    max_plan_steps: int = 64
    max_queued_jobs: int = 10_000
    keep_days: float | None = Field(default=None, gt=0)  # of jobs that ended; None: for good

    key_quota: Quota = Quota(requests_per_minute=1200)  # of each key that has no other
    tenant_quota: Quota = Quota()  # of all keys of a tenant together
    session_hours: float = Field(default=12.0, gt=0, le=24 * 365)  # of a browser that signed in
    metrics_for: Literal["loopback", "operate"] = "loopback"  # who may read /metrics without a key

    url_inputs: bool = True  # files may be named by a URL, which the service then fetches
    url_networks: tuple[IPvAnyNetwork, ...] = ()  # private networks that such URLs may lead to
    url_ports: tuple[int, ...] = (80, 443)  # of such URLs, and of webhooks; () means any
    url_seconds: float = Field(default=120.0, gt=0)  # for fetching one file
    webhook_plain: bool = False  # webhooks may be http:// outside of url_networks, too
    webhook_senders: int = Field(default=32, ge=0)  # threads of each API process; 0: sends nothing

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, the environment over the file."""
        base = Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config"))
        toml = TomlConfigSettingsSource(settings_cls, toml_file=base / "medley" / "config.toml")
        return init_settings, env_settings, toml

    @cached_property
    def trained_folder(self) -> Path:
        """Where models that were trained here lie, each with its catalogue entry beside it."""
        return self.home / "models"

    @cached_property
    def asset_folder(self) -> Path:
        """Where asset bytes are kept."""
        return self.home / "assets"
