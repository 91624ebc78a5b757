"""`python -m mmktn annotate PHOTOS --out labels.json`: label dense pose on a local web page."""

from __future__ import annotations

import argparse
import ipaddress
import secrets
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from mmktn.annotation.body_parts import SCHEMES, PartScheme, read_scheme
from mmktn.annotator.body import Body
from mmktn.annotator.coco import import_coco, write_export
from mmktn.annotator.photos import Photos
from mmktn.annotator.project import Project, Settings
from mmktn.annotator.proposals import ModelProposer, Proposer
from mmktn.annotator.store import Store
from mmktn.surface import load_surface
from mmktn.utils.optional import require
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output
from mmktn.utils.user_error import UserError, one_line_errors

EXTRA = "annotate"


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mmktn annotate",
        description="Label dense pose on a local web page. Every click is kept beside the --out "
        "file; a later start goes on where the last one stopped.",
    )
    parser.add_argument("photos", nargs="+", metavar="PHOTOS", help="folders of pictures")
    parser.add_argument(
        "--out", required=True, metavar="labels.json", help="DensePose-COCO file that is exported"
    )
    parser.add_argument(
        "--surface", default=None, help="body: a name, an .npz or a folder (docs/surface.md)"
    )
    parser.add_argument(
        "--parts",
        metavar="|".join([*SCHEMES, "FILE.json"]),
        help="the 14 coarse parts, one part per chart, or your own (docs/annotate.md)",
    )
    parser.add_argument(
        "--model",
        default="shipped",
        help="model that proposes boxes and parts: shipped, none, a name or a config",
    )
    parser.add_argument("--checkpoint", help="weights, for a config")
    parser.add_argument("--hidden", type=_count, default=4, help="rendered pictures among the real")
    parser.add_argument(
        "--second", type=_share, default=0.1, help="share of people that two annotators label"
    )
    parser.add_argument("--import", dest="import_", metavar="FILE", help="start from these labels")
    parser.add_argument("--export-only", action="store_true", help="write --out, start no server")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=_count, default=8765, help="0 takes a free one")
    parser.add_argument(
        "--allow-host", action="append", default=[], help="further name that the server is known by"
    )
    parser.add_argument("--view-size", type=_side, default=256, help="pixels of the six views")
    parser.add_argument("--max-pixels", type=_count, help="largest picture that is opened")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args(argv)


def store_path(out: Path) -> Path:
    """Return the project's file beside the exported one."""
    return out.with_name(out.stem + ".mmktn.sqlite")


def open_project(args: argparse.Namespace) -> Project:
    """Open the project that a command line describes; imports, but renders nothing yet.

    Raises:
        UserError, FileNotFoundError: Something that was given cannot be used.
    """
    out = Path(args.out)
    file = store_path(out)
    fresh = not file.exists()
    # An export of this project may be replaced; any other file may not.
    claim_output(out, inputs=[args.import_] if args.import_ else [], overwrite=True)
    if args.import_ and not fresh:
        raise UserError(
            f"{file} exists: labels are imported into a new project, give another --out"
        )
    photos = Photos(args.photos, max_pixels=args.max_pixels)
    if not photos.names:
        raise UserError(f"no pictures in {', '.join(args.photos)}")
    surface = load_surface() if args.surface is None else load_surface(args.surface)
    scheme = read_scheme(args.parts, surface)
    body = Body(surface, scheme, view_size=args.view_size)
    proposer = proposer_of(args, scheme)
    if fresh and not args.overwrite:
        claim_output(out)
    store = Store(file)
    try:
        if out.exists() and not store.meta("exported") and not args.overwrite:
            raise UserError(f"{out} exists; write to another file or pass --overwrite")
        settings = Settings(second_share=args.second, surface_name=args.surface)
        project = Project(store, photos, body, settings=settings, proposer=proposer)
        if args.import_:
            count = import_coco(project, args.import_)
            sys.stdout.write(f"{args.import_}: {count} people imported\n")
    except BaseException:
        store.close()
        if fresh:  # it holds nothing, and an import needs a new one
            for ending in ("", "-wal", "-shm"):
                file.with_name(file.name + ending).unlink(missing_ok=True)
        raise
    return project


def proposer_of(args: argparse.Namespace, scheme: PartScheme) -> Proposer | None:
    """Return the model of --model; for other bodies than people none is shipped."""
    if args.model == "none" or (args.model == "shipped" and not scheme.is_human):
        return None
    model = None if args.model == "shipped" else args.model
    return ModelProposer(scheme, model=model, checkpoint=args.checkpoint)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@one_line_errors("annotate")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command until it is interrupted; returns the exit status."""
    args = parse_args(argv)
    out = Path(args.out)
    if args.export_only:
        return _export(open_project(args), out)
    require("starlette", EXTRA)
    uvicorn = require("uvicorn", EXTRA)
    from mmktn.annotator.api import Access, build_app

    project = open_project(args)
    token = None if is_loopback(args.host) else secrets.token_urlsafe(24)
    everywhere = args.host in ("0.0.0.0", "::", "")
    shown = socket.gethostname() if everywhere else args.host
    hosts = frozenset({"127.0.0.1", "localhost", "::1", shown, *args.allow_host})
    access = Access(hosts, token, any_address=everywhere)
    listening = _listen(args.host, args.port)
    port = listening.getsockname()[1]
    name = f"[{shown}]" if ":" in shown else shown
    address = f"http://{name}:{port}/" + (f"?token={token}" if token else "")
    sys.stdout.write(f"{len(project.photos.names)} pictures, labels in {project.store.path}\n")
    sys.stdout.write(f"open {address} (Ctrl+C ends; nothing is lost)\n")
    sys.stdout.flush()
    _in_background(project, args.hidden)
    config = uvicorn.Config(
        build_app(project, out, access),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run(sockets=[listening])
    return _export(project, out)


def _export(project: Project, out: Path) -> int:
    people, problems = write_export(project, out)
    sys.stdout.write(f"{out}: {people} people\n")
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    project.store.close()
    return 1 if problems else 0


def _in_background(project: Project, hidden: int) -> None:
    """Draw views, compute distances and render hidden pictures while the page is open already."""

    def work() -> None:
        project.body.prepare()
        project.add_hidden(hidden)

    threading.Thread(target=work, name="prepare", daemon=True).start()


def _listen(host: str, port: int) -> socket.socket:
    """Return a bound socket, so that the printed port is the real one.

    Raises:
        UserError: The address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        # From now on requests wait instead of being refused.
        listening.listen(128)
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"--host {host} --port {port}: {reason}") from error
    return listening


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no share from 0 to 1")
    return value


def _side(text: str) -> int:
    value = int(text)
    if not 64 <= value <= 1024:
        raise argparse.ArgumentTypeError(f"{text}: views have 64 to 1024 pixels")
    return value
