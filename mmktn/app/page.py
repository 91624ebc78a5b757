"""The page itself: Gradio around `analysis`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmktn.app.analysis import COLUMNS, analyse, archive, opened
from mmktn.utils.optional import require
from mmktn.utils.user_error import UserError
from mmktn.visualization import PRESETS

# Uploads and results that nobody has looked at for so long are deleted, seconds.
KEPT = 600
NOBODY = "none"


def build_page(models: Sequence[str], *, max_pixels: int, queue: int) -> Any:
    """Make the page.

    Args:
        models: Names to choose from, the first one chosen.
        max_pixels: Larger photos are refused.
        queue: Photos that may wait; further ones are refused.

    Returns:
        `gradio.Blocks`, ready to be launched.

    Raises:
        ImportError: gradio is not installed.
    """
    gr = require("gradio", "app")

    def one(photo: str, model: str, look: str, score: float) -> list[Any]:
        found = analyse(photo, opened(model), preset=look, min_score=score, max_pixels=max_pixels)
        # In the page's own folder of temporary files, which it cleans.
        file = archive(found, Path(tempfile.mkdtemp()), preset=look)
        return [found.look, found.iuv, found.masks, found.textures, found.rows, str(file)]

    def run(
        photo: str | None, model: str, other: str, look: str, score: float,
        progress: Any = gr.Progress(),  # noqa: B008  # how gradio finds it
    ) -> list[Any]:  # fmt: skip
        if photo is None:
            raise gr.Error("choose a photo first")
        try:
            progress(0.1, desc=f"{model} looks at the photo")
            first = one(photo, model, look, score)
            if other == NOBODY:
                return [*first, None, None]
            progress(0.6, desc=f"{other} looks at the photo")
            second = one(photo, other, look, score)
            return [*first, second[0], second[4]]
        except (UserError, ValueError, OSError, ImportError) as error:
            raise gr.Error(str(error)) from error

    with gr.Blocks(title="mmktn", delete_cache=(60, KEPT)) as page:
        gr.Markdown("# Dense pose\nA photo in; charts, U and V of every person out.")
        with gr.Row():
            with gr.Column():
                # A file that gradio leaves as it is: our reader looks at its size before decoding.
                photo = gr.Image(
                    label="Photo",
                    type="filepath",
                    image_mode=None,
                    sources=["upload", "clipboard"],
                )
                model = gr.Dropdown(list(models), value=models[0], label="Model")
                other = gr.Dropdown([NOBODY, *models], value=NOBODY, label="Compare with")
                look = gr.Dropdown(sorted(PRESETS), value="overlay", label="Look")
                score = gr.Slider(0, 1, value=0.3, step=0.05, label="Least score")
                button = gr.Button("Look", variant="primary", elem_id="look")
            with gr.Column():
                shown = gr.Image(label="Charts", format="png", elem_id="charts")
                table = gr.Dataframe(headers=list(COLUMNS), label="People", elem_id="people")
                file = gr.File(label="All files", elem_id="files")
        with gr.Row():
            iuv = gr.Image(label="I, U, V", format="png")
            masks = gr.Image(label="Masks", format="png")
            textures = gr.Gallery(label="Textures", format="png")
        with gr.Row():
            shown_other = gr.Image(label="Charts of the other model", format="png")
            table_other = gr.Dataframe(headers=list(COLUMNS), label="People of the other model")
        button.click(
            run,
            [photo, model, other, look, score],
            [shown, iuv, masks, textures, table, file, shown_other, table_other],
            concurrency_limit=1,
            api_name="look",
        )
    page.queue(max_size=queue)
    return page
