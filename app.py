"""The playground's web page: `python app.py`, then open http://127.0.0.1:7860.

Creates the workspace, the job runner and the arena's inference client, and serves the page. This process
never loads torch: training and answering run in separate processes. If a port is in use or a flag is wrong,
it prints one line and exits with code 2. `python app.py --add-user NAME` adds an account; as soon as one
account exists, the page asks for a login.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import ipaddress
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import Code, UserError
from data.workspace import Workspace

if TYPE_CHECKING:
    from ui.access import Access


def flags(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line of the page."""
    parser = argparse.ArgumentParser(
        description="EdgeRLHF Playground: train with RLHF, compare answers blind."
    )
    parser.add_argument(
        "--workspace", type=Path, default=Path("workspace"), help="folder for data sets, runs and votes"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; any address other than loopback requires an account",
    )
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument(
        "--lang", choices=("auto", "en", "zh"), default="auto", help="language on the first visit"
    )
    accounts = parser.add_argument_group("accounts (once an account exists, the page asks for a login)")
    accounts.add_argument(
        "--add-user",
        metavar="NAME",
        help="add an account or change its password, then exit; asks for the password",
    )
    accounts.add_argument(
        "--role",
        choices=("admin", "rater"),
        help="role for --add-user; default: admin for the first account, rater for others",
    )
    accounts.add_argument("--remove-user", metavar="NAME", help="remove an account, then exit")
    accounts.add_argument("--auth", help=argparse.SUPPRESS)
    network = parser.add_argument_group("network")
    network.add_argument("--certfile", type=Path, help="serve https with this certificate (PEM)")
    network.add_argument("--keyfile", type=Path, help="the certificate's private key (PEM)")
    network.add_argument(
        "--proxy",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="IP address of a reverse proxy whose X-Forwarded-For is trusted; can be repeated",
    )
    network.add_argument(
        "--name",
        metavar="HOST",
        action="append",
        default=[],
        help="host name under which the page is reached, for example the proxy's; can be repeated",
    )
    return parser.parse_args(argv)


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens at host and port. Raises UserError if that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    if os.name == "posix":  # on Windows this option would let two servers share a port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise UserError(
            f"cannot listen on {host}:{port} ({error}); choose another --port", code=Code.OPTION
        ) from error
    return listener


def new_password(name: str) -> str:
    """A password: typed twice on a terminal, else one line of stdin. UserError if the two entries differ."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass(f"Password of {name}: ")
    if getpass.getpass("Repeat the password: ") != password:
        raise UserError("the two passwords differ; nothing is changed", code=Code.OPTION)
    return password


def change_accounts(options: argparse.Namespace) -> None:
    """Add or remove an account."""
    from data.accounts import Accounts

    accounts = Accounts(Workspace(options.workspace).create().accounts)
    if options.remove_user:
        accounts.remove(options.remove_user)
        print(f"{options.remove_user} no longer has an account.")
        return
    known = accounts.find(options.add_user)
    role = options.role or (known.role if known else "rater" if accounts.all() else "admin")
    accounts.add(options.add_user, new_password(options.add_user), role)
    print(f"{options.add_user} may log in as {role}.")


def check(options: argparse.Namespace, has_accounts: bool) -> None:
    """Raise UserError for flags that are not valid or not safe."""
    from ui.peers import is_loopback

    if options.auth:
        raise UserError(
            "--auth no longer exists, because other users can read a command line and the password in it: "
            "run python app.py --add-user NAME, which asks for the password",
            code=Code.OPTION,
        )
    if not has_accounts and not is_loopback(options.host):
        raise UserError(
            f"--host {options.host} is open to others: add an account first, with --add-user NAME",
            code=Code.OPTION,
        )
    if bool(options.certfile) != bool(options.keyfile):
        raise UserError("--certfile and --keyfile must be given together", code=Code.OPTION)
    for address in options.proxy:
        try:
            ipaddress.ip_address(address)
        except ValueError as error:
            raise UserError(f"--proxy {address}: not an IP address", code=Code.OPTION) from error


def clean_environment() -> None:
    """Remove every GRADIO_ variable from the environment, before gradio is imported.

    Gradio reads more than forty of them, among them a root path, open folders, a share link and profiling.
    """
    for name in [name for name in os.environ if name.upper().startswith("GRADIO_")]:
        del os.environ[name]
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"


def access_of(workspace: Workspace) -> Access:
    """The accounts of a workspace with its logins; the first account may be made later."""
    from data.accounts import Accounts
    from data.logins import Logins
    from ui.access import Access

    accounts = Accounts(workspace.accounts)
    return Access(accounts, Logins(workspace.logins, accounts))


def serve(options: argparse.Namespace) -> None:
    """Run the server until it is interrupted."""
    clean_environment()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that the exit stack below is unwound
    workspace = Workspace(options.workspace)
    check(options, has_accounts=workspace.accounts.exists())
    with contextlib.ExitStack() as ends:
        listener = ends.enter_context(bind(options.host, options.port))
        port = listener.getsockname()[1]
        name = f"[{options.host}]" if ":" in options.host else options.host
        address = f"{'https' if options.certfile else 'http'}://{name}:{port}"

        from pipeline.runs.jobs import JobRunner
        from pipeline.runs.reader import RunReader
        from ui.uploads import upload_folder

        workspace.create()
        runs = RunReader(workspace)
        jobs = JobRunner(workspace, address=address, reader=runs)
        ends.callback(jobs.close)
        uploads = ends.enter_context(upload_folder(workspace.root))
        os.environ["GRADIO_TEMP_DIR"] = str(uploads)

        import uvicorn

        from pipeline.arena.client import InferenceClient
        from pipeline.arena.device_sharing import DeviceSharing
        from pipeline.arena.rounds import Arena
        from ui import connections, page, server
        from ui.parts import Services

        access = access_of(workspace)
        check(options, has_accounts=access.asks)
        client = InferenceClient(workspace)
        arena = Arena(workspace, client)
        ends.callback(arena.close)
        ends.callback(DeviceSharing(jobs, client).close)
        services = Services(workspace, jobs, arena, runs, access)
        pages = {language: page.build(services, language) for language in server.LANGUAGES}
        application = server.build(
            pages,
            workspace_root=workspace.root,
            host=options.host,
            port=port,
            language=options.lang,
            access=access,
            names=[host.lower() for host in options.name],
            upload_folder=uploads,
        )
        limits = connections.within_handles(options.proxy)
        config = server.configuration(
            application,
            limits,
            proxies=options.proxy,
            certfile=options.certfile,
            keyfile=options.keyfile,
        )
        arena.start()
        print(f"EdgeRLHF Playground is at {address} (workspace {workspace.root}).", flush=True)
        print("Ctrl+C ends the page; a running training continues.", flush=True)
        uvicorn.Server(config).run(sockets=[ends.enter_context(connections.Listener(listener, limits))])


def main(argv: Sequence[str] | None = None) -> int:
    """Run the app; returns 0 if it was interrupted, 2 for an error that the user can correct."""
    options = flags(argv)
    try:
        if options.add_user or options.remove_user:
            change_accounts(options)
        else:
            serve(options)
    except UserError as error:
        from pipeline.commands.advice import told

        print(told(error), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
