"""`python -m mmktn app`: the page on this machine."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence

from mmktn.apis.picture_command import positive
from mmktn.utils.user_error import one_line_errors
from mmktn.zoo.table import DEFAULT, zoo_models


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mmktn app", description="A page on this machine: photo in, dense pose out."
    )
    parser.add_argument(
        "--model",
        nargs="+",
        metavar="NAME",
        help="models to choose from: published names, folders of export (default: all published)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets other machines in")
    parser.add_argument("--port", type=int, default=7860, help="default: %(default)s")
    parser.add_argument("--max-pixels", type=positive, default=16_000_000, help="of a photo")
    parser.add_argument("--max-megabytes", type=positive, default=20, help="of an upload")
    parser.add_argument("--queue", type=positive, default=8, help="photos that may wait")
    return parser.parse_args(argv)


@one_line_errors("app")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the page until it is interrupted; returns the exit status."""
    args = parse_args(argv)
    models = args.model or [DEFAULT, *(m.name for m in zoo_models() if m.kind == "charts")]
    with tempfile.TemporaryDirectory(prefix="mmktn-app-") as folder:
        # Everything that is uploaded or made lies here and is gone when the page ends. gradio reads
        # its variables at its import, which has to come behind them.
        os.environ["GRADIO_TEMP_DIR"] = folder
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        tempfile.tempdir = folder
        try:
            _serve(args, models)
        finally:
            tempfile.tempdir = None
    return 0


def _serve(args: argparse.Namespace, models: Sequence[str]) -> None:
    from mmktn.app.page import build_page

    page = build_page(models, max_pixels=args.max_pixels, queue=args.queue)
    _, address, _ = page.launch(
        server_name=args.host,
        server_port=args.port,
        max_file_size=f"{args.max_megabytes}mb",
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        inbrowser=False,
    )
    sys.stdout.write(f"{address} (Ctrl+C ends it)\n")
    sys.stdout.flush()
    page.block_thread()
