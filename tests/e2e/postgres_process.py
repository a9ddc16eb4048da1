"""A PostgreSQL server of one's own: a free loopback port, everybody trusted, everything in one folder."""

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

import psycopg2
from writer_process import free_port

BINARIES = pathlib.Path("/usr/lib/postgresql/15/bin")
READY_SECONDS = 60


class PostgresProcess:
    def __init__(self):
        self.port = free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="signaldb-postgres-"))
        self.user = {}
        if os.getuid() == 0:  # The server refuses to run as root.
            postgres = pwd.getpwnam("postgres")
            os.chown(self.folder, postgres.pw_uid, postgres.pw_gid)
            self.user = {"user": postgres.pw_uid, "group": postgres.pw_gid, "extra_groups": []}
        self.log = open(self.folder / "postgres.log", "ab")
        self.process = None
        subprocess.run([BINARIES / "initdb", "-D", self.folder / "db", "-U", "postgres", "-A", "trust", "--no-sync",
                        "--no-locale", "-E", "UTF8"], check=True, cwd=self.folder, stdout=self.log, stderr=self.log, **self.user)

    @property
    def uri(self):
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    @property
    def python_uri(self):
        return self.uri.replace("postgres://", "postgresql+psycopg2://", 1)

    def start(self):
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                self.process = subprocess.Popen([BINARIES / "postgres", "-D", self.folder / "db", "-p", str(self.port), "-k",
                                                 self.folder, "-c", "listen_addresses=127.0.0.1"],
                                                cwd=self.folder, stdout=self.log, stderr=self.log, **self.user)
            with contextlib.suppress(psycopg2.OperationalError):
                self.ask("SELECT 1")
                return
            time.sleep(0.05)
        raise AssertionError((self.folder / "postgres.log").read_text()[-3000:])

    def crash(self):
        """What `pg_ctl stop -m immediate` does: no checkpoint, recovery at the next start."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()

    def ask(self, sql):
        connection = psycopg2.connect(self.uri)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def cut_sessions(self):
        """Ends the sessions of the writer wherever they are; returns how many there were."""
        return self.ask("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                        "WHERE application_name = 'signaldb-writer'")[0][0]

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.crash()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
