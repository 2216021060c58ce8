"""What users and defaults say about types: own fingerprints, own storage, or no state worth recording."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from durable_nb.errors import OptionError
from durable_nb.values.kinds import class_name, mro_names

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Registration:
    """What ``register`` was told about one type.

    Attributes:
        fingerprint: value -> anything that has a fingerprint itself; it stands for the value.
        save: value -> an object that pickles, stored instead of the value.
        load: what ``save`` returned -> the value.
        stateless: the value carries no state a step could depend on, but where it leads counts (a client).
        alike: of a stateless type: nothing tells one value from another (a lock, a pool, a logger).
        database: of a stateless type: a connection to a database, whose session SQL may change.
        default: nobody registered it; such values do not pickle as a rule.
    """

    fingerprint: Callable[[Any], object] | None = None
    save: Callable[[Any], object] | None = None
    load: Callable[[Any], object] | None = None
    stateless: bool = False
    alike: bool = False
    database: bool = False
    default: bool = False


# Pickle's own code saves these without asking anybody.
_PICKLES_OWN: Final = frozenset(
    {type(None), bool, int, float, str, bytes, bytearray, list, tuple, dict, set, frozenset, type, object}
)
_ALIKE: Final = Registration(stateless=True, alike=True, default=True)
_CLIENT: Final = Registration(stateless=True, default=True)
_DATABASE: Final = Registration(stateless=True, database=True, default=True)

# By qualified name, so that nothing is imported to know them. Subclasses count as well.
_ALIKE_NAMES: Final = (
    "_thread.lock",
    "_thread.RLock",
    "asyncio.locks.Lock",
    "asyncio.locks.Event",
    "asyncio.locks.Condition",
    "asyncio.locks.Semaphore",
    "logging.Handler",
    "logging.Formatter",
    "logging.LoggerAdapter",
    "concurrent.futures.thread.ThreadPoolExecutor",
    "concurrent.futures.process.ProcessPoolExecutor",
    "multiprocessing.pool.Pool",
    "joblib.parallel.Parallel",
    "fsspec.implementations.local.LocalFileSystem",
    "IPython.core.interactiveshell.InteractiveShell",
    "IPython.core.autocall.IPyAutocall",
    "ipykernel.iostream.OutStream",
)
_CLIENT_NAMES: Final = (
    "requests.sessions.Session",
    "urllib3.poolmanager.PoolManager",
    "httpx.Client",
    "httpx.AsyncClient",
    "httpx._client.BaseClient",
    "aiohttp.client.ClientSession",
    "botocore.client.BaseClient",
    "boto3.session.Session",
    "boto3.resources.base.ServiceResource",
    "botocore.session.Session",
    "google.cloud.client.Client",
    "google.cloud.storage.client.Client",
    "google.cloud.bigquery.client.Client",
    "google.genai.client.Client",
    "azure.core.pipeline._base.Pipeline",
    "azure.storage.blob._blob_service_client.BlobServiceClient",
    "openai._base_client.BaseClient",
    "openai.OpenAI",
    "openai.AsyncOpenAI",
    "anthropic._base_client.BaseClient",
    "anthropic.Anthropic",
    "anthropic.AsyncAnthropic",
    "mistralai.sdk.Mistral",
    "cohere.client.Client",
    "ollama._client.BaseClient",
    "redis.client.Redis",
    "redis.asyncio.client.Redis",
    "pymongo.mongo_client.MongoClient",
    "pymongo.synchronous.mongo_client.MongoClient",
    "s3fs.core.S3FileSystem",
    "gcsfs.core.GCSFileSystem",
    "adlfs.spec.AzureBlobFileSystem",
    "fsspec.implementations.http.HTTPFileSystem",
    "sqlalchemy.pool.base.Pool",
)
_DATABASE_NAMES: Final = (
    "sqlite3.Connection",
    "_duckdb.DuckDBPyConnection",
    "duckdb.DuckDBPyConnection",
    "duckdb.duckdb.DuckDBPyConnection",
    "psycopg.Connection",
    "psycopg.connection.Connection",
    "psycopg.AsyncConnection",
    "psycopg.connection_async.AsyncConnection",
    "psycopg2.extensions.connection",
    "pymysql.connections.Connection",
    "MySQLdb.connections.Connection",
    "mysql.connector.abstracts.MySQLConnectionAbstract",
    "oracledb.connection.BaseConnection",
    "pyodbc.Connection",
    "asyncpg.connection.Connection",
    "asyncpg.pool.Pool",
    "aiosqlite.core.Connection",
    "snowflake.connector.connection.SnowflakeConnection",
    "clickhouse_connect.driver.client.Client",
    "sqlalchemy.engine.base.Engine",
    "sqlalchemy.ext.asyncio.engine.AsyncEngine",
    "sqlalchemy.engine.base.Connection",
    "sqlalchemy.ext.asyncio.engine.AsyncConnection",
    "sqlalchemy.orm.session.Session",
    "sqlalchemy.ext.asyncio.session.AsyncSession",
)
_DEFAULTS: Final = {
    **dict.fromkeys(_ALIKE_NAMES, _ALIKE),
    **dict.fromkeys(_CLIENT_NAMES, _CLIENT),
    **dict.fromkeys(_DATABASE_NAMES, _DATABASE),
}


class Registry:
    """Registrations by type, looked up along the method resolution order.

    The defaults are names; what a user registers wins over them, and a nearer class over a farther one.
    """

    def __init__(self) -> None:
        self._by_type: dict[type, Registration] = {}
        self._lock = threading.Lock()
        self.version = 0

    def register(self, kind: type, registration: Registration) -> None:
        """Set what is known about ``kind`` and its subclasses, replacing an earlier registration."""
        with self._lock:
            self._by_type.pop(kind, None)  # so that the newest is the last
            self._by_type[kind] = registration
            self.version += 1

    def unregister(self, kind: type) -> None:
        """Forget a registration made by ``register``; defaults stay."""
        with self._lock:
            self._by_type.pop(kind, None)
            self.version += 1

    def find(self, kind: type) -> Registration | None:
        """Return what is known about ``kind``: of the nearest class of its MRO that is known, or None."""
        if not self._by_type and _DEFAULTS.keys().isdisjoint(mro_names(kind)):
            return None
        for base in type.__dict__["__mro__"].__get__(kind):
            known = self._by_type.get(base) or _DEFAULTS.get(".".join(class_name(base)))
            if known is not None:
                return known
        return None

    def registered(self, kind: type) -> tuple[type, Registration] | None:
        """Return the nearest class of ``kind``'s MRO that the user registered, with what was said about it."""
        if not self._by_type:
            return None
        order = type.__dict__["__mro__"].__get__(kind)
        return next(((base, self._by_type[base]) for base in order if base in self._by_type), None)

    def named(self, module: str, name: str) -> tuple[type, Registration] | None:
        """Return the class of that name that was registered last, with what is known about it."""
        for kind, known in reversed(self._by_type.items()):
            if class_name(kind) == (module, name):
                return kind, known
        return None


registry: Final = Registry()


def register(
    kind: type,
    *,
    fingerprint: Callable[[Any], object] | None = None,
    save: Callable[[Any], object] | None = None,
    load: Callable[[Any], object] | None = None,
    stateless: bool = False,
) -> None:
    """Tell durable_nb how to treat values of a type and its subclasses.

    Args:
        kind: the type.
        fingerprint: value -> anything fingerprintable that stands for the value.
        save: value -> an object that pickles, saved instead of the value; must not lead back to it. Needs ``load``.
            Without ``fingerprint`` it also stands for the value when values are compared.
        load: what ``save`` returned -> the value, an instance of ``kind``; needs ``save``. A checkpoint finds it by
            the name of ``kind``, so the type has to be registered before the checkpoint is replayed.
        stateless: values carry no state that a step could depend on (a client, a connection), so reading
            one does not count as changing it. In a notebook a value is told by the cell or call that made it:
            when the code or the inputs of that cell change (another address), the steps that read it run
            again. In plain scripts, which have no cells, every value of the type is equal to every other.

    Raises:
        OptionError: ``kind`` is no class, ``save`` comes without ``load`` or is for a type that pickle never asks
            about, or nothing is said.
    """
    if not isinstance(kind, type):
        raise OptionError("kind", f"register() needs a class, not {type(kind).__name__}")
    if (save is None) != (load is None):
        raise OptionError("save", "save= and load= go together")
    if save is not None and kind in _PICKLES_OWN:
        raise OptionError("save", f"{kind.__name__} is saved by pickle itself; derive a class from it")
    if stateless and fingerprint is not None:
        raise OptionError("stateless", "a stateless type has no fingerprint=; give one of them")
    if not (stateless or fingerprint or save):
        raise OptionError("stateless", "give fingerprint=, save= and load=, or stateless=True")
    registry.register(kind, Registration(fingerprint, save, load, stateless))
