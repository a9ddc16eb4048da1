"""An Apache Kafka broker of one's own: free loopback ports, everything in one folder, and a producer of numbered records."""

import base64
import contextlib
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from writer_process import ROOT, free_port

LIBRARIES = ROOT / "build" / "kafka" / "lib"
READY_SECONDS = 90
JAVA = ("java", "-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{LIBRARIES}/*")

# A restart after a crash has to wait until the old registration ends, hence the short broker session.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=CONTROLLER://127.0.0.1:{controller},{listeners}
advertised.listeners={listeners}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
controller.listener.names=CONTROLLER
log.dirs={folder}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
auto.create.topics.enable=false
"""

# What is added where brokers ask who we are. The certificate has to follow its key in one file.
SECURE_PROPERTIES = """\
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={authority}
listener.name.ssl.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
"""
MODULES = "org.apache.kafka.common.security"
SECURE_PROTOCOLS = ("SSL", "SASL_PLAINTEXT", "SASL_SSL")


class KafkaProcess:
    """With an `authority` (certificates.py) there are listeners for every security protocol too, which ask for the user
    `writer` with its password, or for a certificate that the authority has signed."""

    PASSWORD = "open-sesame"

    def __init__(self, authority=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="signaldb-kafka-"))
        self.ports = {name: free_port() for name in ("PLAINTEXT", *(SECURE_PROTOCOLS if authority else ()))}
        self.port = self.ports["PLAINTEXT"]
        self.properties = self.folder / "server.properties"
        listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in self.ports.items())
        self.properties.write_text(PROPERTIES.format(listeners=listeners, controller=free_port(), folder=self.folder) +
                                   (self._secure(authority) if authority else ""))
        self.log = open(self.folder / "kafka.log", "ab")
        self.process = None
        self._admin = None
        # One that begins with a dash would pass for an option.
        cluster = "S" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]
        users = [word for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512") if authority
                 for word in ("--add-scram", f"{mechanism}=[name=writer,password={self.PASSWORD}]")]
        subprocess.run([*JAVA, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", self.properties, *users], check=True,
                       stdout=self.log, stderr=self.log)

    def _secure(self, authority):
        certificate, key = authority.sign("broker")
        (self.folder / "broker.pem").write_text(key.read_text() + certificate.read_text())
        lines = [SECURE_PROPERTIES.format(folder=self.folder, authority=authority.certificate)]
        for name in ("sasl_plaintext", "sasl_ssl"):
            lines.append(f'listener.name.{name}.plain.sasl.jaas.config={MODULES}.plain.PlainLoginModule required '
                         f'user_writer="{self.PASSWORD}";\n')
            lines += [f"listener.name.{name}.scram-sha-{bits}.sasl.jaas.config={MODULES}.scram.ScramLoginModule required;\n"
                      for bits in (256, 512)]
        return "".join(lines)

    @property
    def brokers(self):
        return self.brokers_for("PLAINTEXT")

    def brokers_for(self, protocol):
        return f"127.0.0.1:{self.ports[protocol]}"

    def start(self):
        self.process = subprocess.Popen([*JAVA, "kafka.Kafka", self.properties], stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(KafkaException):
                if self.admin().list_topics(timeout=2).brokers:
                    return self
            assert self.process.poll() is None, self.log_tail()
        raise AssertionError(self.log_tail())

    def crash(self):
        self.process.kill()
        self.process.wait()

    def admin(self):
        if self._admin is None:  # One: what it was asked ends when it is collected.
            self._admin = AdminClient({"bootstrap.servers": self.brokers, "logger": _Silent()})
        return self._admin

    def create_topic(self, name, partitions=1, **config):
        self.admin().create_topics([NewTopic(name, partitions, 1, config={k.replace("__", "."): v for k, v in config.items()})])[
            name].result(30)

    def delete_topic(self, name):
        self.admin().delete_topics([name], operation_timeout=30)[name].result(30)

    def delete_records(self, topic, before):
        """What retention does: everything below `before` of partition 0 is gone."""
        for future in self.admin().delete_records([TopicPartition(topic, 0, before)]).values():
            future.result(30)

    def producer(self, **config):
        return Producer({"bootstrap.servers": self.brokers, "enable.idempotence": True, "linger.ms": 5, "logger": _Silent(),
                         **{k.replace("__", "."): v for k, v in config.items()}})

    def committed(self, group, topic, partitions=1):
        """Offsets of the group, by partition; below 0 where there is none. Waits for the group's coordinator."""
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": group, "logger": _Silent()})
        deadline = time.monotonic() + READY_SECONDS
        try:
            while True:
                try:
                    return [p.offset for p in consumer.committed([TopicPartition(topic, n) for n in range(partitions)], timeout=30)]
                except KafkaException:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.1)
        finally:
            consumer.close()

    def log_tail(self, characters=3000):
        return (self.folder / "kafka.log").read_text(errors="replace")[-characters:]

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class _Silent:
    """The client's log: brokers are taken away on purpose here."""

    def log(self, *_, **__):
        pass
