"""The settings of all processes. They are read once at start, with `load`, and passed on.

The environment variable `LATENTAUG_<NAME>` sets a value. A variable with that prefix that names no setting is refused,
so that a misspelt one is not silently ignored.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from platformdirs import user_data_path
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from latentaug import addresses
from latentaug.errors import Conflict
from latentaug.runtime import signatures, sockets

PROGRAM = "latentaug"
PREFIX = "LATENTAUG_"
OF_CALLERS = {f"{PREFIX}URL", f"{PREFIX}KEY"}
"""Variables with our prefix that are the command line's: where it finds the service, and the key to send."""

PATH_PREFIX = r"(?!/(v1|static)(/|$))(/[A-Za-z0-9._~-]+)+"
"""What a prefix looks like; one that begins like our own paths would be taken for a part of them."""
_ORIGIN = r"https?://[^\s,*/]+"
_NAME = r"[A-Za-z0-9._-]+"
_SERVER = r"(unix:///|https?://)[^,]+"
_RATE = r"[1-9][0-9]* ?(/|per) ?[0-9]* ?(second|minute|hour|day)s?$"

# What some values must look like, and an example of each.
_FORMS = {
    "redis_url": (r"(rediss?|unix)://.", "redis://host:6379/0 or unix:///path"),
    "store_url": (r"(file|s3|gs|az|memory|https?)://", "file:///folder or s3://bucket/prefix"),
    "model_server_url": (
        rf"{_SERVER}(, *{_SERVER})*$",
        "unix:///path or http://host:port, or several of them",
    ),
    "otlp_endpoint": (r"https?://.", "http://collector:4318"),
    "mlflow_uri": (r"https?://.", "http://mlflow:5000"),
    "root_path": (f"{PATH_PREFIX}$", "/aug"),
    "cors_origins": (rf"(\*|{_ORIGIN}( *, *{_ORIGIN})*)$", "https://app.example.org, or * for all"),
    "host_names": (rf"{_NAME}( *, *{_NAME})*$", "augment.example.org, lab.example.org"),
    "upload_limit": (_RATE, "1000/hour or 5000/day"),
    "rate_limit": (_RATE, "100/second or 1000/minute"),
}


def listed(text: str | None) -> list[str]:
    """The parts of a setting that are separated by commas; none if it is not set."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def available_cores() -> int:
    """Return how many cores this process may use: those of its CPU affinity where there is one, otherwise all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Settings(BaseSettings):
    """The settings, each with its default and its unit."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, use_attribute_docstrings=True)

    # Where things live
    home: Path = Field(default_factory=lambda: user_data_path(PROGRAM, appauthor=False))
    """Folder for everything that the service writes: the store, the embedded Valkey, sockets. Default: `latentaug` in
    the folder where the system keeps this user's data, so that it does not matter where a command is typed."""
    store_url: str | None = None
    """Where models, data sets and results are kept: `file:///...`, `s3://bucket/prefix`. Default: `<home>/store`."""
    data_dir: Path | None = None
    """Folder with copies of public data sets (`mnist/*.gz`, `ujipen/`), which are then not downloaded."""
    redis_url: SecretStr | None = None
    """`redis://`, `rediss://` or `unix://` URL. Without it, `python -m service.stack` runs an embedded Valkey."""
    model_server_url: str | None = None
    """`unix:///path` or `http://host:port`. The API takes several, separated by commas, each of which has some of the
    models in memory. Default: the Unix socket `<home>/model-server.sock`, or one in the system's temporary folder if
    that path is too long for a socket."""

    # The API
    host: str = "127.0.0.1"
    """Address that the API listens on. API keys are required unless it is a loopback address."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Port that the API listens on."""
    api_processes: int = Field(default=1, ge=1, le=64)
    """API processes that share the port. They share out `LATENTAUG_MAX_CONNECTIONS` and `LATENTAUG_MAX_HELD_BYTES`;
    rates and quotas hold for all of them together."""
    root_path: str | None = None
    """Prefix under which a proxy shows the service, such as `/aug`, whether or not the proxy takes it off. A trusted
    proxy may send it as `X-Forwarded-Prefix` instead."""
    trusted_proxies: str | None = None
    """Addresses and networks, separated by commas, of the proxies whose `X-Forwarded-For`, `X-Forwarded-Proto` and
    `X-Forwarded-Prefix` are believed, such as `127.0.0.1, ::1` for one on this machine. Default: none."""
    cors_origins: str | None = None
    """Web sites, separated by commas, whose pages may call the API from a browser, such as `https://app.example.org`.
    `*` allows all of them and needs API keys. Default: none."""
    host_names: str | None = None
    """Names, separated by commas and without ports, that this service is also called by, such as that of a proxy. A
    service without API keys answers requests for these and for this machine itself only, and only its own page may
    change or compute anything, so that no other web site can. Default: none."""
    api_keys: SecretStr | None = None
    """API keys with their scopes, separated by commas: `key:scope+scope`. Scopes are infer, train and admin. A key may
    be given as its hash, `sha256$<hex>`."""
    api_keys_file: Path | None = None
    """File of API keys, one `sha256$<hex>:scope+scope` per line. Keys that are not hashed are refused."""
    tenants: bool = False
    """Whether each API key sees the data sets, models and jobs of its own tenant only. A key's tenant is named in its
    line after the scopes, `key:scope+scope@tenant`; without a name, each key is a tenant of its own. `@*` is for who
    runs the service: such a key sees all jobs and the metrics. It needs API keys."""
    audit_file: Path | None = None
    """File to which a line of JSON is added for each change that a caller makes or is refused: who, what, when and how
    it ended. The log has the same lines. Default: the log only."""
    rate_limit: str | None = None
    """How many requests a caller may make, such as `100/second` or `1000/minute`. All API processes count together.
    Default: no limit."""
    upload_limit: str | None = None
    """How many megabytes a caller may send, such as `1000/hour`. A body that does not say how long it is counts as
    `LATENTAUG_MAX_BODY_BYTES`. Default: no limit."""
    request_timeout: float = Field(default=30.0, gt=0, le=600)
    """Seconds within which an encode, decode or augment request must be answered; otherwise the answer is 504."""
    max_body_bytes: int = Field(default=64 * 2**20, ge=1024)
    """Most bytes in the body of an encode, decode, augment or interpolate request."""
    max_dataset_bytes: int = Field(default=1024 * 2**20, ge=1024)
    """Most bytes of a data set, or of one of its shards, counted in its upload and again in its decoded images."""
    max_sharded_bytes: int = Field(default=64 * 2**30, ge=1024)
    """Most bytes of a data set that comes in shards. While they are joined it takes three times as much room: its
    shards, a file in `downloads` of the home in which they are put together, and what is made of them."""
    max_held_bytes: int = Field(default=512 * 2**20, ge=1024)
    """Most bytes that encode, decode, augment and other such requests under way hold together: bodies, the images in
    them, and those to come; small requests are not counted. Another large one gets 429."""
    max_result_bytes: int = Field(default=1024 * 2**20, ge=1024)
    """Most bytes of new images in one file that a job makes, counted as a zip holds them: each takes 1 KiB beside its
    pixels. A job that asks for more is refused."""
    min_upload_rate: int = Field(default=1024, ge=0)
    """Fewest bytes per second, over 10 seconds, that the body of a request must come in with. A slower one gets 408 and
    makes room for another one. 0 lets any of them take its time."""
    max_connections: int = Field(default=1000, ge=1)
    """Most connections that may have a request under way; another request is answered with 503. Where there are many
    more, those that have been idle for longest are closed. Health is always answered."""
    max_images: int = Field(default=4096, ge=1)
    """Most images or latents in one request. An augment request may return k times as many."""
    max_queued_jobs: int = Field(default=100, ge=1)
    """Most jobs of one kind that may wait; another one is refused with 429."""
    max_jobs_per_key: int | None = Field(default=None, ge=1)
    """Most jobs of one API key that may wait or run; another one is refused with 429. Default: no limit."""
    max_stored_bytes_per_key: int | None = Field(default=None, ge=1)
    """Most bytes that one API key may have in the store: data sets, models, and what jobs made. What would be more is
    refused with 507. They are counted since Redis was last empty. Default: no limit."""

    # The model server
    device: str = "auto"
    """Device to compute on: `auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:1`."""
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    """Number format in which the model server computes. bfloat16, used for decoding only, is faster on processors and
    GPUs that have it, and changes a grey level here and there (docs/performance.md). tf32 is for NVIDIA GPUs."""
    threads: int = Field(default_factory=lambda: max(1, available_cores() // 2), ge=1)
    """Compute threads of each busy process. Default: half the cores, because two processes may be busy at once."""
    model_cache_size: int = Field(default=16, ge=1)
    """Most models that the model server keeps in memory; it drops the least recently used one."""
    max_batch_samples: int = Field(default=256, ge=1)
    """Most images or latents that are computed in one batch."""
    max_queue_samples: int = Field(default=16384, ge=1)
    """Most images or latents that may wait in the model server; further requests are refused with 429."""
    drain_seconds: float = Field(default=10.0, ge=0)
    """Seconds that a process has, once it is told to stop, to finish the requests that it has accepted."""

    # Jobs
    queues: tuple[Literal["train", "evaluate", "augment", "label", "recommend"], ...] = (
        "train",
        "evaluate",
        "augment",
        "label",
        "recommend",
    )
    """Queues that `python -m worker` serves, each with a process of its own."""
    evaluate_processes: int = Field(default=1, ge=1, le=256)
    """Processes for the evaluate queue. They share the work of one job and the threads of one process."""
    train_processes: int = Field(default=1, ge=1, le=64)
    """Processes that share one training through torchrun, each with a GPU of its own, so there may be at most as many
    as GPUs. On a CPU more than one gains nothing."""
    job_timeout: float = Field(default=24 * 3600.0, gt=0)
    """Seconds that a job may run, or one of its sub-jobs if several processes share it."""
    lease_seconds: float = Field(default=15.0, ge=3)
    """Seconds after which a running job whose worker gives no sign of life is started again by another."""
    max_attempts: int = Field(default=3, ge=1)
    """How many times a job is started in all if its workers die. After the last time it has failed."""
    job_retention_days: float = Field(default=30.0, ge=0)
    """Days for which the record and files of a job are kept after its end, at least 1. Then they are deleted, but never
    while an unfinished job names that job in `beside`. 0 keeps them for ever. Models always stay."""
    result_retention_days: float = Field(default=0.0, ge=0)
    """Days for which the files of a job are kept after its end, if its record is kept for longer. 0 keeps them with the
    record."""
    upload_retention_days: float = Field(default=0.0, ge=0)
    """Days after which an uploaded data set is deleted that no job, and nobody else, has ever read. 0 keeps all."""

    # Webhooks
    webhook_secret: SecretStr | None = None
    """Secret that signs webhooks: `whsec_` and base64 of 24 to 64 random bytes. Without it jobs take no `webhook`. The
    API and the workers need the same."""
    webhook_networks: str | None = None
    """Addresses and networks, separated by commas, that webhooks may go to although they are not public, such as
    `127.0.0.1, 10.0.0.0/8`. Default: none."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest severity that is logged."""
    log_format: Literal["text", "json"] = "text"
    """`text` for people, or `json`: one object per line, with the ids of the request and the job."""
    otlp_endpoint: str | None = None
    """URL that OpenTelemetry traces are sent to by OTLP over HTTP, such as `http://collector:4318`. It needs the extra
    `tracing`."""
    mlflow_uri: str | None = None
    """URL of an MLflow server, such as `http://mlflow:5000`, on which each job that succeeds becomes a run with its
    parameters, curves, verdicts and pictures. It needs the extra `mlflow`."""

    @field_validator(*_FORMS, mode="after")
    @classmethod
    def _well_formed(cls, value: SecretStr | str | None, info: ValidationInfo) -> SecretStr | str | None:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        pattern, example = _FORMS[str(info.field_name)]
        if text is not None and not re.match(pattern, text):
            raise ValueError(f"must look like {example}")
        return value

    @field_validator("trusted_proxies", "webhook_networks", mode="after")
    @classmethod
    def _are_networks(cls, text: str | None) -> str | None:
        try:
            addresses.networks(text or "")
        except ValueError:
            raise ValueError("must be addresses or networks, such as 127.0.0.1, 10.0.0.0/8") from None
        return text

    @field_validator("webhook_secret", mode="after")
    @classmethod
    def _signs(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            signatures.key_of(secret.get_secret_value())
        return secret

    @field_validator("job_retention_days", mode="after")
    @classmethod
    def _no_shorter_than_idempotency_keys(cls, days: float) -> float:
        if 0 < days < 1:  # a request repeated with its Idempotency-Key within a day must still get its job
            raise ValueError("must be at least 1 day, or 0 to keep jobs for ever")
        return days

    @model_validator(mode="after")
    def _keys_off_loopback(self) -> Self:
        if not self.on_loopback and self.api_keys is None and self.api_keys_file is None:
            raise ValueError(
                f"host {self.host} can be reached from outside: set {PREFIX}API_KEYS or {PREFIX}API_KEYS_FILE, "
                "or listen on 127.0.0.1"
            )
        return self

    @model_validator(mode="after")
    def _keys_for_all_origins(self) -> Self:
        if self.cors_origins == "*" and self.api_keys is None and self.api_keys_file is None:
            raise ValueError(
                f"{PREFIX}CORS_ORIGINS is * and there are no API keys, so any web site could use the service: name the "
                f"sites, or set {PREFIX}API_KEYS"
            )
        return self

    @model_validator(mode="after")
    def _keys_for_tenants(self) -> Self:
        if self.tenants and self.api_keys is None and self.api_keys_file is None:
            raise ValueError(
                f"{PREFIX}TENANTS is true and there are no API keys to tell tenants apart by: set "
                f"{PREFIX}API_KEYS_FILE, or leave {PREFIX}TENANTS out"
            )
        return self

    def processes(self, queue: str) -> int:
        """How many processes serve a queue; they share the threads that a single one would have."""
        return self.evaluate_processes if queue == "evaluate" else 1

    @property
    def on_loopback(self) -> bool:
        """Whether `host` is a loopback address."""
        return addresses.on_loopback(self.host)

    @property
    def dataset_folders(self) -> tuple[Path, ...]:
        """Folders in which files of public data sets are looked for, in order; downloads go to the last."""
        downloads = self.home / "downloads"
        return (self.data_dir, downloads) if self.data_dir else (downloads,)

    @property
    def resolved_store_url(self) -> str:
        """URL of the artefact store."""
        return self.store_url or (self.home.absolute() / "store").as_uri()

    @property
    def model_server_urls(self) -> list[str]:
        """URLs of all model servers, each once."""
        default = f"unix://{sockets.short(self.home.absolute() / 'model-server.sock')}"
        return list(dict.fromkeys(listed(self.model_server_url))) or [default]

    @property
    def resolved_model_server_url(self) -> str:
        """URL of the one model server that runs with these settings.

        Raises:
            Conflict: they name several.
        """
        url, *others = self.model_server_urls
        if others:
            raise Conflict(
                f"{PREFIX}MODEL_SERVER_URL names several model servers, and only python -m service.api takes several; "
                "start each model server with its own URL alone"
            )
        return url

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take nothing but what the constructor is given: `load` alone reads an environment."""
        return (init_settings,)


def load(environment: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read the settings from environment variables.

    Args:
        environment: the variables, by default those of this process.
        overrides: values that win over the environment.

    Raises:
        ValueError: a variable with our prefix names no setting (the nearest name is suggested), or values are wrong.
            The message has a line for each, which says what is wrong but never shows the value: it may be a secret.
    """
    variables = os.environ if environment is None else environment
    _refuse_unknown(variables)
    source = EnvSettingsSource(Settings)
    source.env_vars = {name.lower(): value for name, value in variables.items()}
    try:
        return Settings(**{**source(), **overrides})
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
    except SettingsError:  # carries no name; there is one setting that is read as JSON
        raise ValueError(f'{PREFIX}QUEUES: write a JSON list, for instance ["train"]') from None
    # Raised out here, because a traceback would show the first error, and the values in it.
    raise ValueError("\n".join(_line(fault["loc"], fault["msg"]) for fault in faults))


def _refuse_unknown(variables: Iterable[str]) -> None:
    """Refuse variables with our prefix that name no setting."""
    names = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for variable in variables:
        if variable.upper().startswith(PREFIX) and variable.upper() not in names | OF_CALLERS:
            near = difflib.get_close_matches(variable.upper(), names, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"{variable} is not a setting{hint}")


def _line(place: tuple[int | str, ...], message: str) -> str:
    """One fault in one line; a message about several settings together names them itself."""
    message = message.removeprefix("Value error, ")
    return f"{PREFIX}{str(place[0]).upper()}: {message}" if place else message
