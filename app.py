"""The playground's web page: `python app.py`, then open http://127.0.0.1:7860.

Makes the workspace, the job runner and the arena's inference client, and serves the page. It never loads
torch: training and answering run in processes of their own. A port in use or a bad flag ends with one line
and exit code 2.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from data.errors import UserError
from data.workspace import Workspace


def flags(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line of the page."""
    parser = argparse.ArgumentParser(description="EdgeRLHF Playground: train with RLHF, judge blind.")
    parser.add_argument(
        "--workspace", type=Path, default=Path("workspace"), help="where everything you make is kept"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; another than loopback needs --auth"
    )
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument(
        "--auth", metavar="FILE or USER:PASSWORD", help="ask for a login; a FILE has one user:password a line"
    )
    parser.add_argument(
        "--lang", choices=("auto", "en", "zh"), default="auto", help="language of a first visit"
    )
    return parser.parse_args(argv)


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens at host and port; UserError where that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    if os.name == "posix":  # elsewhere this option would let two servers share a port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise UserError(f"cannot listen on {host}:{port} ({error}); choose another --port") from error
    return listener


def serve(options: argparse.Namespace) -> None:
    """Run the server until it is interrupted."""
    from ui.guard import is_loopback

    if not options.auth and not is_loopback(options.host):
        raise UserError(f"--host {options.host} is open to others: add --auth user:password or --auth FILE")
    with contextlib.ExitStack() as ends:
        listener = ends.enter_context(bind(options.host, options.port))
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before gradio is imported
        import uvicorn

        from pipeline.arena.client import InferenceClient
        from pipeline.arena.device_sharing import DeviceSharing
        from pipeline.arena.rounds import Arena
        from pipeline.runs.jobs import JobRunner
        from ui import page, server
        from ui.parts import Services

        auth = server.credentials(options.auth)
        workspace = Workspace(options.workspace).create()
        port = listener.getsockname()[1]
        name = f"[{options.host}]" if ":" in options.host else options.host
        address = f"http://{name}:{port}"
        jobs = JobRunner(workspace, address=address)
        ends.callback(jobs.close)
        client = InferenceClient(workspace)
        arena = Arena(workspace, client)
        ends.callback(arena.close)
        ends.callback(DeviceSharing(jobs, client).close)
        arena.start()
        services = Services(workspace, jobs, arena)
        pages = {language: page.build(services, language) for language in server.LANGUAGES}
        application = server.build(
            pages,
            workspace_root=workspace.root,
            host=options.host,
            port=port,
            language=options.lang,
            auth=auth,
        )
        config = uvicorn.Config(
            application, log_level="warning", timeout_graceful_shutdown=2, ws="none", server_header=False
        )
        print(f"EdgeRLHF Playground is at {address} (workspace {workspace.root}).", flush=True)
        print("Ctrl+C ends the page; a training goes on.", flush=True)
        uvicorn.Server(config).run(sockets=[listener])


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0 when it was interrupted, 2 for what the user can mend."""
    try:
        serve(flags(argv))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
