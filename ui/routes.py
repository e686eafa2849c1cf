"""The table of all addresses that the page serves, each with its role and the size limit of its body.

Gradio mounts more than the page uses (a code editor, a proxy, calls to components, profiling, a deep link
that writes files); any other address gets "not found" before Gradio sees the request. The table applies to
each language.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

KIB = 1024
FORM_LIMIT = 4 * KIB
CALL_LIMIT = 1024 * KIB  # keeps a prompt of several megabytes away from the tokenizer
UPLOAD_LIMIT = 51 * 1024 * KIB  # Gradio itself refuses files over 50 MB
PREFIXES = ("/zh",)


@dataclass(frozen=True)
class Route:
    """One address. role: "anyone" (also without a login), "rater" or "admin".

    limit: maximum size of the body in bytes. keys: the keys of a JSON body that name a session or an event;
    the pattern's groups `session` and `event` and the query parameter `session_hash` name one too.
    """

    method: str
    pattern: re.Pattern[str]
    role: str
    limit: int = 0
    keys: tuple[str, ...] = ()

    @property
    def is_call(self) -> bool:
        """Whether the body is JSON that calls a handler or refers to a call."""
        return self.limit == CALL_LIMIT


@dataclass(frozen=True)
class Visit:
    """A request whose address is in the table. names: the sessions and events in its path."""

    route: Route
    path: str  # without the language
    prefix: str  # "" or "/zh"
    names: Mapping[str, str] = field(default_factory=dict)


def _routes(method: str, role: str, *patterns: str, **more) -> Iterable[Route]:
    return (Route(method, re.compile(pattern), role, **more) for pattern in patterns)


ROUTES: tuple[Route, ...] = (
    *_routes("GET", "anyone", r"/login", r"/favicon\.ico", r"/robots\.txt", r"/manifest\.json"),
    *_routes("GET", "anyone", r"/(assets|static|svelte)/.+", r"(/gradio_api)?/theme\.css"),
    *_routes("POST", "anyone", r"/login", limit=FORM_LIMIT),
    *_routes("POST", "rater", r"/logout", limit=FORM_LIMIT),
    *_routes("GET", "rater", r"/", r"/config/?", r"/gradio_api/(info/?|openapi\.json|app_id/?)"),
    *_routes("GET", "rater", r"/gradio_api/(startup-events|login_check/?|user/?)", r"/gradio_api/queue/data"),
    *_routes("GET", "rater", r"/gradio_api/heartbeat/(?P<session>[^/]+)"),
    *_routes("GET", "rater", r"/gradio_api/call(/v2)?/[^/]+/(?P<event>[^/]+)"),
    *_routes("POST", "rater", r"/gradio_api/queue/join", r"/gradio_api/(run|api|call(/v2)?)/[^/]+/?",
             limit=CALL_LIMIT, keys=("session_hash",)),
    *_routes("POST", "rater", r"/gradio_api/(cancel|reset/?)",
             limit=CALL_LIMIT, keys=("session_hash", "event_id")),
    *_routes("GET", "admin", r"/gradio_api/file=(?!.*://).+", r"/gradio_api/upload_progress"),
    *_routes("POST", "admin", r"/gradio_api/upload", limit=UPLOAD_LIMIT),
)  # fmt: skip


def find(method: str, path: str) -> Visit | None:
    """The table's entry for a request; None for an address that is not served. HEAD counts as GET."""
    prefix = next((p for p in PREFIXES if path == p or path.startswith(p + "/")), "")
    rest = path[len(prefix) :] or "/"
    wanted = "GET" if method == "HEAD" else method
    for route in ROUTES:
        found = route.pattern.fullmatch(rest) if route.method == wanted else None
        if found:
            return Visit(route, rest, prefix, {k: v for k, v in found.groupdict().items() if v})
    return None
