"""Operator, account and user of NATS as `nsc` makes them: signed with keys of one's own, and a .creds file for the user."""

import base64
import binascii
import hashlib
import json
import pathlib
import subprocess
import time

OPERATOR, ACCOUNT, USER, SEED = (number << 3 for number in (14, 0, 20, 18))
NO_STREAMS = {name: -1 for name in ("subs", "data", "payload", "imports", "exports", "conn", "leaf")}
NO_LIMITS = NO_STREAMS | {name: -1 for name in ("mem_storage", "disk_storage", "streams", "consumer")}


def _base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _name(prefix, data):
    """How NATS writes keys: a prefix for the kind, and a checksum."""
    payload = bytes(prefix) + data
    return base64.b32encode(payload + binascii.crc_hqx(payload, 0).to_bytes(2, "little")).rstrip(b"=").decode()


class Key:
    def __init__(self, folder, kind):
        self._file = pathlib.Path(folder) / "key"
        self._file.parent.mkdir(parents=True)
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-outform", "DER", "-out", self._file], check=True)
        public = subprocess.run(["openssl", "pkey", "-inform", "DER", "-in", self._file, "-pubout", "-outform", "DER"], check=True,
                                capture_output=True).stdout
        # The keys themselves are the last 32 bytes of either form.
        self.public = _name([kind], public[-32:])
        self.seed = _name([SEED | kind >> 5, (kind & 31) << 3], self._file.read_bytes()[-32:])

    def sign(self, subject, **claims):
        """A token in which this key says something of the key `subject`."""
        body = {"iat": int(time.time()), "iss": self.public, "sub": subject.public, "name": "test", "nats": {"version": 2, **claims}}
        body["jti"] = base64.b32encode(hashlib.sha256(json.dumps(body).encode()).digest()).rstrip(b"=").decode()
        text = ".".join(_base64url(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ed25519-nkey"}, body))
        return f"{text}.{_base64url(self.signature(text))}"

    def signature(self, text):
        message = self._file.with_suffix(".message")
        message.write_text(text)
        return subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-keyform", "DER", "-inkey", self._file, "-in", message],
                              check=True, capture_output=True).stdout


class Operator:
    """`configuration` is for a server that takes its users, `credentials` the file of one of them."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        operator, account, system, user = (Key(folder / name, kind) for name, kind in (
            ("operator", OPERATOR), ("account", ACCOUNT), ("system", ACCOUNT), ("user", USER)))
        accounts = "".join(f"  {key.public}: {operator.sign(key, type='account', limits=limits | {'wildcards': True})}\n"
                           for key, limits in ((account, NO_LIMITS), (system, NO_STREAMS)))
        self.configuration = folder / "server.conf"
        self.configuration.write_text(f"operator: {operator.sign(operator, type='operator')}\nsystem_account: {system.public}\n"
                                      f"resolver: MEMORY\nresolver_preload: {{\n{accounts}}}\n")
        token = account.sign(user, type="user", subs=-1, data=-1, payload=-1)
        self._user, self.user_token = user, token.encode()
        self.credentials = folder / "user.creds"
        self.credentials.write_text(f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
                                    f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n")

    def sign_as_user(self, nonce):
        return base64.b64encode(self._user.signature(nonce))
