"""One typed `Settings`, made once at start and passed in.

Every value can be set by an environment variable `LATENTAUG_<NAME>`. A variable with that prefix that names no setting
is refused, so that a misspelt one cannot be ignored in silence.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from latentaug.runtime import sockets

PREFIX = "LATENTAUG_"
OF_CALLERS = {f"{PREFIX}URL", f"{PREFIX}KEY"}
"""Where the command line looks for a service; no settings of the service itself."""

# What some values must begin with, and an example of a right one.
_FORMS = {
    "redis_url": (r"(rediss?|unix)://.", "redis://host:6379/0 or unix:///path"),
    "store_url": (r"(file|s3|gs|az|memory|https?)://", "file:///folder or s3://bucket/prefix"),
    "model_server_url": (r"(unix:///|https?://).", "unix:///path or http://host:port"),
    "otlp_endpoint": (r"https?://.", "http://collector:4318"),
    "rate_limit": (r"[1-9][0-9]* ?(/|per) ?[0-9]* ?(second|minute|hour|day)s?$", "100/second or 1000/minute"),
}


def available_cores() -> int:
    """Cores that this process may really use: its CPU affinity where the system has one, else all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Settings(BaseSettings):
    """All settings of all processes; units and defaults stand beside each."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, use_attribute_docstrings=True)

    # Where things live
    home: Path = Path("var")
    """Folder for everything the service writes: store, embedded Redis, sockets."""
    store_url: str | None = None
    """Where models, data sets and results rest: `file:///...`, `s3://bucket/prefix`. Default: `<home>/store`."""
    data_dir: Path | None = None
    """Folder with local copies of public data sets (`mnist/*.gz`, `ujipen/`), read instead of downloading."""
    redis_url: SecretStr | None = None
    """`redis://`, `rediss://` or `unix://` URL. Without it, `python -m service.stack` runs an embedded server."""
    model_server_url: str | None = None
    """`unix:///path` or `http://host:port`. Default: the Unix socket `<home>/model-server.sock`."""

    # The API
    host: str = "127.0.0.1"
    """Address the API listens on. Any other than a loopback address needs keys."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Port the API listens on."""
    api_keys: SecretStr | None = None
    """Keys, comma separated: `key:scope+scope`; scopes infer, train, admin; the key itself or its `sha256$<hex>`."""
    api_keys_file: Path | None = None
    """File of keys, one `sha256$<hex>:scope+scope` a line; plain keys are refused in files."""
    rate_limit: str | None = None
    """Requests a caller may make, e.g. `100/second` or `1000/minute`. Default: no limit."""
    request_timeout: float = Field(default=30.0, gt=0, le=600)
    """Seconds within which an encode, decode or augment request is answered, else 504."""
    max_body_bytes: int = Field(default=64 * 2**20, ge=1024)
    """Largest request body, bytes, for inference."""
    max_dataset_bytes: int = Field(default=1024 * 2**20, ge=1024)
    """Largest data set, bytes: of its upload and of its decoded images."""
    max_images: int = Field(default=4096, ge=1)
    """Most images or latents in one inference request, and most times k in its answer."""
    max_queued_jobs: int = Field(default=100, ge=1)
    """Most jobs waiting per kind; one more gets 429."""

    # The model server
    device: str = "auto"
    """`auto` (CUDA where there is one), `cpu`, `cuda`, `cuda:1`."""
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    """What the model server computes in. bfloat16, for decoding alone, is faster where processor or GPU have it, and
    moves an odd grey level (docs/performance.md); tf32 is for float32 products on NVIDIA's GPUs."""
    threads: int = Field(default_factory=lambda: max(1, available_cores() // 2), ge=1)
    """Compute threads of each busy process. Default: half the cores it may use, for a worker may be busy beside it."""
    model_cache_size: int = Field(default=16, ge=1)
    """Most models held in memory by the model server; the least recently used one is dropped."""
    max_batch_samples: int = Field(default=256, ge=1)
    """Most images or latents computed in one batch."""
    max_queue_samples: int = Field(default=16384, ge=1)
    """Most images or latents waiting in the model server; more get 429."""
    drain_seconds: float = Field(default=10.0, ge=0)
    """Seconds that a process told to stop goes on answering what it has accepted."""

    # Jobs
    queues: tuple[Literal["train", "evaluate", "augment"], ...] = ("train", "evaluate", "augment")
    """Queues that `python -m worker` serves, each by a process of its own."""
    evaluate_processes: int = Field(default=1, ge=1, le=256)
    """Processes for the evaluate queue, which share the cells of one job and the threads of one process."""
    train_processes: int = Field(default=1, ge=1, le=64)
    """Processes that share one training through torchrun, a GPU each, so never more than there are GPUs; on a CPU more
    than one gains nothing."""
    job_timeout: float = Field(default=24 * 3600.0, gt=0)
    """Seconds a job, or one part of a job that is shared among processes, may run."""
    lease_seconds: float = Field(default=15.0, ge=3)
    """Seconds without a sign of life after which a running job is taken from its worker and started again."""
    max_attempts: int = Field(default=3, ge=1)
    """Times a job is started before its worker's death counts as its failure."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severity that is logged."""
    log_format: Literal["text", "json"] = "text"
    """`text` for people, or `json`: one object a line, with the ids of the request and the job."""
    otlp_endpoint: str | None = None
    """`http://collector:4318`: where OpenTelemetry traces go, by OTLP over HTTP. Needs the extra `tracing`."""

    @field_validator("redis_url", "store_url", "model_server_url", "rate_limit", "otlp_endpoint", mode="after")
    @classmethod
    def _well_formed(cls, value: SecretStr | str | None, info: ValidationInfo) -> SecretStr | str | None:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        pattern, example = _FORMS[str(info.field_name)]
        if text is not None and not re.match(pattern, text):
            raise ValueError(f"must look like {example}")
        return value

    @model_validator(mode="after")
    def _keys_off_loopback(self) -> Self:
        if not self.on_loopback and self.api_keys is None and self.api_keys_file is None:
            raise ValueError(
                f"host {self.host} can be reached from outside: set {PREFIX}API_KEYS or {PREFIX}API_KEYS_FILE, "
                "or listen on 127.0.0.1"
            )
        return self

    @property
    def on_loopback(self) -> bool:
        """Whether `host` is a loopback address."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def dataset_folders(self) -> tuple[Path, ...]:
        """Where files of public data sets are looked for, in this order; the last keeps what is downloaded."""
        downloads = self.home / "downloads"
        return (self.data_dir, downloads) if self.data_dir else (downloads,)

    @property
    def resolved_store_url(self) -> str:
        """The artefact store's URL."""
        return self.store_url or (self.home.absolute() / "store").as_uri()

    @property
    def resolved_model_server_url(self) -> str:
        """The model server's URL."""
        return self.model_server_url or f"unix://{sockets.short(self.home.absolute() / 'model-server.sock')}"

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
        ValueError: a variable with our prefix that names no setting (the nearest name is suggested), or bad values,
            one line for each, which says what is wrong but never shows the value: it may be a secret.
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
    # Raised out here, for a traceback would show the first error and in it the values.
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
