"""Queues that ask who we are: encrypted, with users and certificates; and what is said when they do not let us in."""

import contextlib
import pathlib
import ssl
import sys
import time
from collections import Counter

import pytest
import requests
from certificates import Authority
from kafka_process import LIBRARIES, KafkaProcess
from nats_credentials import Operator
from nats_process import NatsClient, NatsProcess
from telemetry_requests import Requests
from writer_process import Writer

WAIT_SECONDS = 90


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def kafka(authority):
    if not LIBRARIES.exists():
        pytest.skip(f"Kafka is not in {LIBRARIES}: run tools/setup")
    with KafkaProcess(authority) as process:
        yield process


def wait_until(holds, says):
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, says()
        time.sleep(0.2)


def assert_stored(writer, sent):
    def all_there():
        writer.flush()
        return writer.record_ids().total() >= sent.total()

    wait_until(all_there, writer.log_tail)
    assert writer.record_ids() == sent


def readiness(writer):
    with contextlib.suppress(requests.RequestException):
        return requests.get(f"http://{writer.admin}/readyz", timeout=5).text
    return ""


def assert_waits_and_says(folder, settings, *says):
    """The writer lives, is not ready, and /readyz and its log have one of the texts, but never the password."""
    writer = Writer(folder, **settings)
    writer.start(wait=False)
    try:
        wait_until(lambda: any(text in readiness(writer) for text in says), lambda: readiness(writer) + writer.log_tail())
        # Not only for a moment: other errors of the client follow, which say less.
        time.sleep(3)
        wait_until(lambda: any(text in readiness(writer) for text in says), lambda: readiness(writer) + writer.log_tail())
        assert requests.get(f"http://{writer.admin}/readyz", timeout=5).status_code == 503
        print(readiness(writer))
        assert "sesame" not in readiness(writer) + writer.log_tail(100_000)
    finally:
        writer.stop()


def kafka_settings(kafka, authority, protocol, mechanism="", **more):
    keys = {"brokers": kafka.brokers_for(protocol), "security_protocol": protocol.lower(), "session_timeout": "6s",
            "topics.0.topic": f"{protocol}{mechanism}", "topics.0.signal": "logs"}
    if protocol.endswith("SSL"):
        keys["ssl_ca_file"] = authority.certificate
    if mechanism:
        keys |= {"sasl_mechanism": mechanism, "sasl_username": "writer", "sasl_password": kafka.PASSWORD}
    return {f"kafka.0.{key}": value for key, value in (keys | more).items()}


def fill(kafka, topic):
    kafka.create_topic(topic)
    _, body, ids = Requests(topic).next("logs")
    producer = kafka.producer()
    producer.produce(topic, body)
    assert producer.flush(30) == 0
    return Counter(ids)


@pytest.fixture
def newer_librdkafka(tmp_path, monkeypatch):
    """What a distribution newer than Debian 12 has: the library that Python's client brings along, in place of the system's."""
    libraries = pathlib.Path(sys.prefix) / "lib" / f"python3.{sys.version_info.minor}" / "site-packages" / "confluent_kafka.libs"
    folder = tmp_path / "lib"
    folder.mkdir()
    (folder / "librdkafka.so.1").symlink_to(next(libraries.glob("librdkafka-*.so.1")))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(folder))


@pytest.mark.parametrize(("protocol", "mechanism"), [("SASL_SSL", "SCRAM-SHA-512"), ("SASL_PLAINTEXT", "SCRAM-SHA-256"),
                                                     ("SASL_SSL", "PLAIN")])
@pytest.mark.usefixtures("newer_librdkafka")
def test_kafka_lets_us_in_with_a_newer_librdkafka(tmp_path, kafka, authority, protocol, mechanism):
    settings = kafka_settings(kafka, authority, protocol, mechanism)
    settings["kafka.0.topics.0.topic"] += ".newer"
    sent = fill(kafka, settings["kafka.0.topics.0.topic"])
    with Writer(tmp_path / "writer", **settings) as writer:
        assert_stored(writer, sent)
        writer.stop()


def test_the_librdkafka_of_debian_that_scram_fails_with_is_said(tmp_path, kafka, authority):
    assert_waits_and_says(tmp_path, kafka_settings(kafka, authority, "SASL_SSL", "SCRAM-SHA-512"),
                          "librdkafka before 2.6.1 cannot log in")


@pytest.mark.parametrize(("protocol", "mechanism"), [("SASL_SSL", "PLAIN"), ("SASL_PLAINTEXT", "PLAIN"), ("SSL", "")])
def test_kafka_lets_us_in(tmp_path, kafka, authority, protocol, mechanism):
    sent = fill(kafka, protocol + mechanism)
    settings = kafka_settings(kafka, authority, protocol, mechanism)
    if protocol == "SSL":
        settings["kafka.0.ssl_cert_file"], settings["kafka.0.ssl_key_file"] = authority.sign("writer")
    with Writer(tmp_path, **settings) as writer:
        assert_stored(writer, sent)
        writer.stop()


def test_a_wrong_password_for_kafka_is_said(tmp_path, kafka, authority):
    settings = kafka_settings(kafka, authority, "SASL_SSL", "PLAIN", sasl_password="shut-sesame")
    assert_waits_and_says(tmp_path, settings, "Authentication failed: Invalid username or password")


def test_a_certificate_of_kafka_from_elsewhere_is_said(tmp_path, kafka, tmp_path_factory):
    other = Authority(tmp_path_factory.mktemp("elsewhere"), "elsewhere")
    assert_waits_and_says(tmp_path, kafka_settings(kafka, other, "SASL_SSL", "PLAIN"), "certificate verify failed")


def test_a_missing_certificate_of_ours_is_said(tmp_path, kafka, authority):
    assert_waits_and_says(tmp_path, kafka_settings(kafka, authority, "SSL"), "alert bad certificate")


# The system's certificates are read by another way through OpenSSL, of which Arrow's wheel brings a second one along.
def test_kafka_is_checked_by_the_certificates_of_the_system(tmp_path, kafka, authority):
    settings = kafka_settings(kafka, authority, "SASL_SSL", "PLAIN")
    del settings["kafka.0.ssl_ca_file"]
    assert_waits_and_says(tmp_path, settings, "certificate verify failed")


# --- NATS


def nats_settings(server, scheme="nats", **more):
    keys = {"url": f"{scheme}://127.0.0.1:{server.port}", "stream": "OTEL", "create": "true", "subjects.0.subject": "otel.logs",
            "subjects.0.signal": "logs"}
    return {f"nats.0.{key}": value for key, value in (keys | more).items()}


@pytest.fixture(scope="module")
def tls_server(authority):
    certificate, key = authority.sign("nats")
    with NatsProcess("--tls", "--tlscert", certificate, "--tlskey", key, "--tlsverify", "--tlscacert", authority.certificate,
                     "--user", "writer", "--pass", "open-sesame") as server:
        yield server


def test_nats_lets_us_in_by_certificate_and_password(tmp_path, authority, tls_server):
    certificate, key = authority.sign("nats-writer")
    settings = nats_settings(tls_server, "tls", tls_ca_file=authority.certificate, tls_cert_file=certificate, tls_key_file=key,
                             user="writer", password="open-sesame")
    context = ssl.create_default_context(cafile=authority.certificate)
    context.load_cert_chain(certificate, key)
    _, body, ids = Requests("nats").next("logs")
    with Writer(tmp_path, **settings) as writer, NatsClient(tls_server.url, tls=context, user="writer",
                                                            password="open-sesame") as client:
        client.publish([("otel.logs", body, {})])
        assert_stored(writer, Counter(ids))
        writer.stop()


@pytest.mark.parametrize(("wrong", "says"), [({"password": "shut-sesame"}, "Authorization"),
                                             ({"tls_ca_file": "elsewhere"}, "unable to get local issuer certificate"),
                                             ({"tls_cert_file": "", "tls_key_file": ""}, "set tls_cert_file")])
def test_why_nats_does_not_let_us_in_is_said(tmp_path, authority, tls_server, wrong, says):
    certificate, key = authority.sign("nats-writer")
    right = {"tls_ca_file": authority.certificate, "tls_cert_file": certificate, "tls_key_file": key, "user": "writer",
             "password": "open-sesame"}
    if "tls_ca_file" in wrong:
        wrong = {"tls_ca_file": Authority(tmp_path / "elsewhere", "elsewhere").certificate}
    assert_waits_and_says(tmp_path, nats_settings(tls_server, "tls", **(right | wrong)), says)


def test_nats_lets_us_in_by_credentials(tmp_path):
    operator, stranger = Operator(tmp_path / "operator"), Operator(tmp_path / "stranger")
    with NatsProcess("-c", operator.configuration) as server:
        assert_waits_and_says(tmp_path / "stranger", nats_settings(server, credentials_file=stranger.credentials), "Authorization")
        _, body, ids = Requests("credentials").next("logs")
        with Writer(tmp_path / "writer", **nats_settings(server, credentials_file=operator.credentials)) as writer:
            with NatsClient(server.url, user_jwt_cb=lambda: operator.user_token, signature_cb=operator.sign_as_user) as client:
                client.publish([("otel.logs", body, {})])
            assert_stored(writer, Counter(ids))
            writer.stop()
