"""What `python -m mmktn video` needs for a film of hours: memory and time, one run interrupted.

    python projects/film/long_film.py --out FOLDER --hours 2 --every 100

A rendered clip of people is coded once and repeated until the film is long enough. The command
runs as a process of its own; its memory is read from the system. The first run is killed (SIGKILL)
when a part of the frames is there, the second one goes on. At the end the film is decoded from its
first to its last frame.
"""

import argparse
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from fractions import Fraction
from pathlib import Path

import av

from mmktn.synthetic.clip import ClipOptions, make_clip
from mmktn.utils.output_files import replace_atomically_by_name
from mmktn.utils.user_error import UserError, one_line_errors

RATE = 25
CLIP_FRAMES = 50


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--every", type=int, default=100, help="as of the command")
    parser.add_argument("--piece", type=int, default=250, help="as of the command")
    parser.add_argument("--kill-at", type=int, default=700, help="frames after which it is killed")
    return parser.parse_args(argv)


def make_film(path, count):
    """Code a clip and repeat its packets; people walk to and fro."""
    options = ClipOptions(seed=1, frames=CLIP_FRAMES, rate=RATE, size_hw=(120, 160))
    pictures = [frame.picture for frame in make_clip(options)]
    with tempfile.TemporaryDirectory() as folder, replace_atomically_by_name(path) as part:
        clip = Path(folder, "clip.mp4")
        code_clip(clip, pictures)
        repeat_packets(clip, part, count)


def code_clip(clip, pictures):
    """Code pictures, forwards and backwards."""
    with av.open(clip, "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"bf": "0", "crf": "20"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in [*pictures, *pictures[::-1]]:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def repeat_packets(clip, path, count):
    """Write so many frames of a clip that is played again and again."""
    length = 2 * CLIP_FRAMES
    with av.open(path, "w") as film:
        written, out = 0, None
        while written < count:
            with av.open(clip) as container:
                source = container.streams.video[0]
                out = out or film.add_stream_from_template(source)
                tick = int(1 / (RATE * source.time_base))
                for packet in container.demux(source):
                    if packet.dts is None or written == count:
                        continue
                    shift = (written // length) * length * tick
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = out
                    film.mux(packet)
                    written += 1


def memory_mb(pid):
    """Resident memory of a process, MB; None if it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    return int(found[1]) * 1024 / 1e6 if found else None


def run(command, kill_at=None):
    """Run the command; print its lines with its memory; kill it when so many frames are there."""
    begin = time.monotonic()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    peak = 0.0

    def watch():
        nonlocal peak
        while process.poll() is None:
            peak = max(peak, memory_mb(process.pid) or 0.0)
            time.sleep(0.5)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for line in process.stderr:
        held = memory_mb(process.pid)
        told = re.match(r"(\d+)( of \d+)? frames,", line)
        if told is None:
            continue
        print(f"{time.monotonic() - begin:5.0f} s, {held or 0:6.1f} MB: {line.strip()}", flush=True)
        if kill_at is not None and int(told[1]) >= kill_at:
            process.send_signal(signal.SIGKILL)
    process.wait()
    watcher.join()
    print(f"status {process.returncode} after {time.monotonic() - begin:.0f} s, peak {peak:.1f} MB")
    return process.returncode


def looked_at(path):
    """Decode a film; its codec, frames, rate and seconds."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        count, last = 0, Fraction(0)
        for frame in container.decode(stream):
            count, last = count + 1, frame.pts * stream.time_base
        codec = stream.codec_context
        return f"{codec.name} {codec.pix_fmt}, {count} frames, the last at {float(last):.2f} s"


@one_line_errors("long_film")
def main(argv=None):
    args = parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    film, drawn = args.out / "film.mp4", args.out / "drawn.mp4"
    if drawn.exists():
        raise UserError(f"{drawn} exists; take it away, or give another folder")
    if not film.exists():
        make_film(film, round(args.hours * 3600 * RATE))
        print(f"film: {looked_at(film)}, {film.stat().st_size / 1e6:.1f} MB", flush=True)
    command = [sys.executable, "-m", "mmktn", "video", str(film), "--out", str(drawn)]
    command += ["--every", str(args.every), "--piece", str(args.piece)]
    if not Path(f"{drawn}.parts").exists():
        run(command, args.kill_at)
    status = run(command)
    if status == 0:
        print(f"drawn: {looked_at(drawn)}, {drawn.stat().st_size / 1e6:.1f} MB")
    return status


if __name__ == "__main__":
    sys.exit(main())
