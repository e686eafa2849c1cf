"""A small hub on a loopback port that implements the download protocol of the Hugging Face hub, for tests.

Serves repositories given as {name: {file: bytes}}: repository info, tree listing, and files by HEAD and GET
with ETag, X-Repo-Commit and Range. It can also refuse like a gated repository, or accept and never answer.
It has no upload, no search and no git.

    with HubServer(datasets={"acme/pairs": {"train.jsonl": b"..."}}) as hub:
        os.environ["HF_ENDPOINT"] = hub.url
"""

import hashlib
import json
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

_INFO = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/revision/[^/]+)?")
_TREE = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)/tree/[^/]+")
_FILE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/[^/]+/(.+)")


class HubServer:
    """``gated``: repositories whose files are refused with ``gated_status``; ``requests``: received requests.

    ``stalled``: files of which the server sends half and then nothing until it closes.
    """

    def __init__(self, datasets=None, models=None, gated=(), gated_status=403, stalled=()):
        self.repositories = {"datasets": datasets or {}, "models": models or {}}
        self.gated = set(gated)
        self.gated_status = gated_status
        self.stalled = set(stalled)
        self.closing = threading.Event()
        self.requests: list[tuple[str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def commit(self, kind: str, name: str) -> str:
        """The commit hash; like git's, it changes with the content."""
        digest = hashlib.sha1()
        for path, content in sorted(self.repositories[kind][name].items()):
            digest.update(path.encode() + b"\0" + content)
        return digest.hexdigest()


class SilentServer:
    """Accepts connections and never sends a byte."""

    def __enter__(self):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        return self

    def __exit__(self, *_):
        self._socket.close()


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _handler(hub: HubServer):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self):
            self.answer()

        def do_GET(self):
            self.answer()

        def answer(self):
            path = unquote(urlsplit(self.path).path)
            hub.requests.append((self.command, path))
            for pattern, reply in ((_TREE, self.tree), (_INFO, self.info), (_FILE, self.file)):
                if found := pattern.fullmatch(path):
                    return reply(*found.groups())
            return self.refuse(404, "EntryNotFound")

        def info(self, kind, name):
            if name not in hub.repositories[kind]:
                return self.refuse(404, "RepoNotFound")
            files = hub.repositories[kind][name]
            facts = {"id": name, "sha": hub.commit(kind, name), "private": False, "gated": False, "tags": []}
            return self.send_json(facts | {"siblings": [{"rfilename": file} for file in files]})

        def tree(self, kind, name):
            if name not in hub.repositories[kind]:
                return self.refuse(404, "RepoNotFound")
            files = hub.repositories[kind][name].items()
            return self.send_json(
                [{"type": "file", "path": file, "size": len(c), "oid": git_hash(c)} for file, c in files]
            )

        def file(self, datasets, name, file):
            kind = "datasets" if datasets else "models"
            if name in hub.gated:
                return self.refuse(hub.gated_status, "GatedRepo")
            content = hub.repositories[kind].get(name, {}).get(file)
            if content is None:
                return self.refuse(404, "EntryNotFound")
            headers = {"ETag": f'"{git_hash(content)}"', "X-Repo-Commit": hub.commit(kind, name)}
            if wanted := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
                start = int(wanted.group(1))
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
                return self.send(206, content[start:], headers)
            if file in hub.stalled and self.command == "GET":
                return self.stall(content, headers)
            return self.send(200, content, headers)

        def stall(self, content, headers):
            self.send(200, content, headers, sent=len(content) // 2)
            self.wfile.flush()
            hub.closing.wait()
            self.close_connection = True

        def refuse(self, status, code):
            self.send(status, b"", {"X-Error-Code": code, "X-Error-Message": "refused"})

        def send_json(self, value):
            self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

        def send(self, status, body, headers, sent=None):
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body[:sent])

        def log_message(self, *_):
            pass

    return Handler
