"""Time and memory of decoding continuous surface embeddings: the nearest vertex of every pixel.

    python projects/benchmark/bench_vertices.py --threads 2

Made-up people: vectors of 16 numbers on a closed curved sheet, as trained ones lie, with noise,
27 thousand vertices, maps of 112 x 112 cells, boxes of 200 x 400 pixels. Two masks: a body, which
fills 45 % of its box, and the whole box. The first person is also compared with all vertices
outright, in the same run; some pixels, and those where the two differ, are looked at in float64.
"""

import argparse
import time

import torch
import torch.nn.functional as F
from peak_memory import PeakMemoryMeter

from mmktn.models.embedding import SurfaceEmbedder
from mmktn.models.embedding.nearest_vertex import compare_with_all
from mmktn.models.postprocess import VertexDecoder
from mmktn.structures import ChartOutput, VertexResult
from mmktn.utils.user_error import one_line_errors

CELLS = 112
CHECKED = 200


def sheet(points: torch.Tensor, wave: torch.Tensor, phase: torch.Tensor) -> torch.Tensor:
    """Unit vectors (..., D) of points (..., 3) on a sphere."""
    return F.normalize(torch.sin(points @ wave + phase), dim=-1)


def made_up(args: argparse.Namespace) -> tuple[torch.Tensor, ChartOutput, ChartOutput]:
    """Vectors of the vertices; maps of people whose mask is a body, and of such that fill a box."""
    generator = torch.Generator().manual_seed(0)
    wave, phase = torch.randn(3, 16, generator=generator), 6 * torch.rand(16, generator=generator)
    points = F.normalize(torch.randn(args.vertices, 3, generator=generator), dim=1)
    vertices = sheet(points, wave, phase)
    steps = torch.linspace(-0.95, 0.95, CELLS)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    front = F.normalize(torch.stack([x, y, (1 - x * x - y * y).clamp(min=0.02).sqrt()], -1), dim=-1)
    embedding = 3 * sheet(front, wave, phase).permute(2, 0, 1).repeat(args.people, 1, 1, 1)
    embedding += args.noise * torch.randn(embedding.shape, generator=generator)
    body = ((y / 0.95) ** 2 + (x / 0.6) ** 2 < 0.95).float()
    maps = [torch.stack([1 - mask, mask]) for mask in (body, torch.ones_like(body))]
    outputs = [
        ChartOutput(coarse_segm=each.repeat(args.people, 1, 1, 1), embedding=embedding)
        for each in maps
    ]
    return vertices, outputs[0], outputs[1]


@one_line_errors("bench_vertices")
def main(argv: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--vertices", type=int, default=27554)
    parser.add_argument("--size", type=int, nargs=2, default=(200, 400), metavar=("W", "H"))
    parser.add_argument("--noise", type=float, default=0.03, help="of vectors of length 3")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    vertices, body, whole = made_up(args)
    embedder = SurfaceEmbedder({"mesh": {"num_vertices": args.vertices, "kind": "direct"}})
    embedder.embedders["mesh"].embeddings.data.copy_(vertices)
    decoder = VertexDecoder("mesh")
    decoder.bind(embedder)
    width, height = args.size
    boxes = torch.tensor([[0.0, 0.0, width, height]]).repeat(args.people, 1)
    for name, output in (("a body", body), ("the whole box", whole)):
        decoder.decode(output[:1], boxes[:1])
        wall, cpu = time.perf_counter(), time.process_time()
        results = decoder.decode(output, boxes)["vertices"]
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        with PeakMemoryMeter() as meter:
            decoder.decode(output[:1], boxes[:1])
        pixels = sum(int(result.mask.sum()) for result in results)
        vectors, chosen = of_first(results[0], output[:1], (height, width))
        begin = time.process_time()
        differs = (compare_with_all(vectors, vertices) != chosen).nonzero()[:, 0]
        outright = time.process_time() - begin
        some = torch.cat([differs, torch.linspace(0, len(vectors) - 1, CHECKED).long()])
        excess = excess_of(vectors[some], chosen[some], vertices)
        print(
            f"{name}: {args.people} people of {width} x {height}, {pixels} pixels, "
            f"{args.vertices} vertices: {wall:.2f} s, {cpu:.2f} s of CPU, {args.threads} threads, "
            f"{meter.peak_bytes / 1e6:.0f} MB beside the results for one. All vertices for each "
            f"pixel of one person: {outright:.2f} s of CPU, another vertex at {len(differs)} of "
            f"{len(chosen)} pixels; squared distance beyond the least in float64, there and at "
            f"{CHECKED} others: {excess:.1e}"
        )


def of_first(
    result: VertexResult, output: ChartOutput, hw: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors (P, D) of a person's pixels, and the vertices (P,) that were found."""
    pixels = F.interpolate(output["embedding"], size=hw, mode="bilinear", align_corners=False)[0]
    return pixels[:, result.mask].T, result.vertices["mesh"][result.mask].long()


def excess_of(vectors: torch.Tensor, chosen: torch.Tensor, vertices: torch.Tensor) -> float:
    """How much farther the chosen vertex is than the nearest, at most, in float64."""
    unit = F.normalize(vectors.double(), dim=1)
    squares = torch.cdist(unit, vertices.double()).square()
    found = squares.gather(1, chosen[:, None])[:, 0]
    return float((found - squares.min(dim=1).values).max())


if __name__ == "__main__":
    main()
