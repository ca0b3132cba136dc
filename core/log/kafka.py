"""The log in Apache Kafka.

Delivery is at least once by Kafka's simplest means: `acks=all`, one idempotent producer, a consumer group whose
positions are committed by hand. Kafka's transactions are not used: what is done with a record, the database commits.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any, Self, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import (
    CommitFailedError,
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    KafkaConfigurationError,
    KafkaError,
    LeaderNotAvailableError,
    NodeNotReadyError,
    NotCoordinatorError,
    RebalanceInProgressError,
    TopicAlreadyExistsError,
)
from kafka.net.compat import KafkaNetClient
from kafka.structs import OffsetAndMetadata
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from core.errors import InvalidSetting, Unavailable
from core.log.partition import partition_of
from core.log.port import Position, Positions, Record, Stored

COMMIT_SECONDS = 10
CLOSE_SECONDS = 5

_Answer = TypeVar("_Answer")

_CLIENT = {
    "bootstrap_timeout_ms": 3_000,
    "reconnect_backoff_max_ms": 1_000,
}
_PRODUCER = {
    "acks": "all",
    "max_block_ms": 2_000,
    "batch_size": 256 << 10,
    "linger_ms": 2,
    "allow_auto_create_topics": False,
    "metrics_enabled": False,
}
_CONSUMER = {
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",
    "max_poll_interval_ms": 300_000,
    "max_partition_fetch_bytes": 2 << 20,
    "fetch_max_bytes": 16 << 20,
    "allow_auto_create_topics": False,
    "metrics_enabled": False,
}
_PASSING = (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    LeaderNotAvailableError,
    NodeNotReadyError,
    NotCoordinatorError,
)


class KafkaLog:
    """The port on the cluster that answers at one of *servers* (`host:port`).

    A topic that is missing is created when it is first used, with *partitions*, and *replication* copies (-1: as the
    broker has it by default); one that exists keeps the partitions that it has. *idempotence* can be switched off for
    clusters that refuse such writes. What is not acknowledged after *delivery_seconds* has failed, though it may be
    stored; a consumer that is silent for *session_seconds* is dead to its group. *security* are kafka-python's settings
    for TLS and SASL, given to every client.

    No client is opened before it is needed, and none survives a failure to open: a cluster that is away when we start
    is met when it is back.
    """

    def __init__(
        self,
        servers: Sequence[str],
        partitions: int,
        *,
        replication: int = -1,
        idempotence: bool = True,
        delivery_seconds: int = 10,
        session_seconds: int = 10,
        security: Mapping[str, object] | None = None,
    ) -> None:
        self._settings = {"bootstrap_servers": list(servers), "request_timeout_ms": 5_000, **(security or {})}
        self._partitions = partitions
        self._replication = replication
        self._idempotence = idempotence
        self._delivery_seconds = delivery_seconds
        self._session_seconds = session_seconds
        self._opening = Lock()
        self._producer: Any = None
        self._admin: Any = None
        self._known: dict[str, int] = {}

    def append(self, topic: str, records: Sequence[Record]) -> Sequence[tuple[int, Position]]:
        if not records:
            return []
        total = self._count(topic)
        producer = self._producing()
        try:
            with _answering():
                sent = [
                    producer.send(
                        topic,
                        record.value,
                        record.key.encode(),
                        [(name, value.encode()) for name, value in record.headers.items()],
                        partition_of(record.key, total),
                    )
                    for record in records
                ]
                return [_stored(future.get(timeout=self._delivery_seconds + 1)) for future in sent]
        except Unavailable:
            self._retire(producer)
            raise

    def consumer(self, topic: str, group: str) -> "KafkaLogConsumer":
        self._count(topic)
        membership = {
            "group_id": group,
            "session_timeout_ms": self._session_seconds * 1_000,
            "heartbeat_interval_ms": self._session_seconds * 300,
        }
        return KafkaLogConsumer(_open(KafkaConsumer, {**self._settings, **_CONSUMER, **membership}), topic)

    def ends(self, topic: str) -> Positions:
        latest = dict.fromkeys(self._topic_partitions(topic), OffsetSpec.LATEST)
        found = self._ask(lambda admin: admin.list_partition_offsets(latest))
        return {at.partition: Position(end.offset) for at, end in found.items()}

    def committed(self, topic: str, group: str) -> Positions:
        every = self._topic_partitions(topic)
        found = self._ask(lambda admin: admin.list_group_offsets({group: every}))[group]
        return {at.partition: Position(max(found[at].offset, 0) if at in found else 0) for at in every}

    def members(self, topic: str, group: str) -> int:
        described = self._ask(lambda admin: admin.describe_groups([group]))[group]
        return sum(
            len(assigned["partitions"])
            for member in described["members"]
            for assigned in (member["member_assignment"] or {"assigned_partitions": []})["assigned_partitions"]
            if assigned["topic"] == topic
        )

    def check(self) -> None:
        self._ask(lambda admin: admin.describe_cluster())

    def close(self) -> None:
        self._retire(self._producer)
        with self._opening:
            admin, self._admin = self._admin, None
        if admin is not None:
            admin.close()

    def _producing(self) -> Any:
        with self._opening:
            if self._producer is None:
                promise = {
                    "enable_idempotence": self._idempotence,
                    "delivery_timeout_ms": self._delivery_seconds * 1_000,
                    "request_timeout_ms": self._delivery_seconds * 500,
                }
                self._producer = _open(KafkaProducer, {**self._settings, **_PRODUCER, **promise})
            return self._producer

    def _retire(self, producer: Any) -> None:
        """Close *producer*, failing what it has under way; the next append opens another.

        After records have expired (3.0.12, a broker that hung for longer than the delivery time-out) an idempotent
        producer never delivers again, and `close` alone leaves its thread running: it raises while a batch is waiting.
        """
        with self._opening:
            if producer is None or producer is not self._producer:
                return
            self._producer = None
        producer._sender.force_close()
        with suppress(KafkaError):
            producer.close(timeout=CLOSE_SECONDS)

    def _ask(self, question: Callable[[Any], _Answer]) -> _Answer:
        """Put *question* to the cluster, and again while it is busy with itself: a young one elects coordinators."""
        with self._opening:
            if self._admin is None:
                self._admin = _open(KafkaAdminClient, self._settings)
        again = Retrying(
            retry=retry_if_exception_type(_PASSING), stop=stop_after_delay(5), wait=wait_fixed(0.1), reraise=True
        )
        with _answering():
            return again(question, self._admin)

    def _topic_partitions(self, topic: str) -> Sequence[TopicPartition]:
        return [TopicPartition(topic, partition) for partition in range(self._count(topic))]

    def _count(self, topic: str) -> int:
        if topic not in self._known:
            self._known[topic] = self._ask(lambda admin: self._created(admin, topic))
        return self._known[topic]

    def _created(self, admin: Any, topic: str) -> int:
        (found,) = admin.describe_topics([topic])
        if not found["partitions"]:
            wanted = {"num_partitions": self._partitions, "replication_factor": self._replication}
            with suppress(TopicAlreadyExistsError):  # another process was faster, and its number of partitions holds
                admin.create_topics({topic: wanted})
            admin.wait_for_topics([topic])
            (found,) = admin.describe_topics([topic])
        return len(found["partitions"])


class KafkaLogConsumer:
    """A member of a Kafka consumer group. Kafka assigns its partitions while it reads."""

    def __init__(self, consumer: Any, topic: str) -> None:
        self._consumer = consumer
        self._topic = topic
        consumer.subscribe([topic])
        # A member that joins before it knows the topic's partitions is assigned none and may never be again (3.0.12).
        try:
            with _answering():
                if not consumer.partitions_for_topic(topic):
                    raise LeaderNotAvailableError(topic)
        except Unavailable:
            self.close()
            raise

    def read(self, records_max: int, timeout_seconds: float) -> Sequence[Stored]:
        with _answering():
            found = self._consumer.poll(timeout_ms=int(timeout_seconds * 1_000), max_records=records_max)
        return [
            Stored(self._topic, at.partition, Position(each.offset), _record(each))
            for at, records in found.items()
            for each in records
        ]

    def commit(self, positions: Positions) -> None:
        # Kafka lets a live member commit for a partition of another; the port does not.
        held = {at.partition: at for at in self._consumer.assignment()}
        offsets = {
            held[partition]: OffsetAndMetadata(position, "", -1)
            for partition, position in positions.items()
            if partition in held
        }
        if not offsets:
            return
        # While partitions are being given to others, these are refused: whoever gets them reads again.
        with _answering(), suppress(CommitFailedError, RebalanceInProgressError):
            self._consumer.commit(offsets, timeout_ms=COMMIT_SECONDS * 1_000)

    def rewind(self) -> None:
        with _answering():
            for at in self._consumer.assignment():
                self._consumer.seek(at, self._consumer.committed(at, timeout_ms=COMMIT_SECONDS * 1_000) or 0)

    def close(self) -> None:
        with _answering():
            self._consumer.close(autocommit=False, timeout_ms=CLOSE_SECONDS * 1_000)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()


def _open(kind: Callable[..., Any], settings: Mapping[str, object]) -> Any:
    """Open a client. One that finds no broker would leave its thread behind: we close what it has opened."""
    opened: list[Any] = []

    def network(**given: object) -> Any:
        opened.append(KafkaNetClient(**given))
        return opened[-1]

    try:
        with _answering():
            return kind(kafka_client=network, **_CLIENT, **settings)
    except Unavailable:
        for client in opened:
            client.close()
        raise


def _record(consumed: Any) -> Record:
    # A topic may have other writers: what is no text must not stop its reader.
    headers = {name: (value or b"").decode(errors="replace") for name, value in consumed.headers}
    return Record((consumed.key or b"").decode(errors="replace"), consumed.value or b"", headers)


def _stored(metadata: Any) -> tuple[int, Position]:
    # Nothing but metadata proves that a record is stored. A position of -1 is that of a repeated send, stored before.
    if metadata is None:
        raise Unavailable("Kafka did not say where it stored a record")
    return metadata.partition, Position(metadata.offset)


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except KafkaConfigurationError as error:
        raise InvalidSetting(f"a setting for Kafka is wrong: {error}") from error
    except KafkaError as error:
        raise Unavailable(f"Kafka did not do it ({type(error).__name__})") from error
