"""Writes small files in the official formats, as MATLAB and python 2 would."""

import struct
from pathlib import Path

import numpy as np
from scipy.io import savemat


def python2_pickle(column: np.ndarray) -> bytes:
    """Protocol-2 pickle of {'Pdist_matrix': column} as python 2 writes it: bytes in a string."""
    raw = column.tobytes()
    code = column.dtype.str[1:].encode()
    rows, columns = (struct.pack("<i", n) for n in column.shape)
    return (
        b"\x80\x02}q\x00U\x0cPdist_matrixq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02"
        b"cnumpy\nndarray\nq\x03K\x00\x85q\x04U\x01bq\x05\x87q\x06Rq\x07(K\x01J"
        + rows + b"J" + columns
        + b"\x86q\x08cnumpy\ndtype\nq\tU\x02" + code
        + b"q\nK\x00K\x01\x87q\x0bRq\x0c(K\x03U\x01<q\rNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
        b"K\x00tq\x0eb\x89T" + struct.pack("<i", len(raw)) + raw + b"q\x0ftq\x10bs."
    )  # fmt: skip


def write_official_folder(folder: Path, body, distances: np.ndarray, *, index_dtype=np.uint16):
    """All five files from a surface and condensed distances of its mesh."""
    atlas = body.atlas
    savemat(
        folder / "SMPL_subdiv.mat",
        {
            "Part_ID_subdiv": atlas.charts[:, None].astype(np.uint8),
            "U_subdiv": atlas.u[:, None],
            "V_subdiv": atlas.v[:, None],
            "vertex": body.mesh.vertices[atlas.mesh_vertex].T,
            "faces": (atlas.faces.T + 1).astype(index_dtype),
        },
    )
    savemat(
        folder / "SMPL_SUBDIV_TRANSFORM.mat",
        {"index": (atlas.mesh_vertex[:, None] + 1).astype(index_dtype)},
    )
    (folder / "Pdist_matrix.pkl").write_bytes(
        python2_pickle(np.asarray(distances, dtype=np.float32)[:, None])
    )
    savemat(
        folder / "UV_Processed.mat",
        {
            "All_vertices": (atlas.mesh_vertex[None] + 1).astype(index_dtype),
            "All_Faces": (atlas.faces + 1).astype(index_dtype),
            "All_FaceIndices": atlas.face_charts[:, None].astype(np.uint8),
            "All_U_norm": atlas.u[:, None],
            "All_V_norm": atlas.v[:, None],
        },
    )
    write_symmetry(folder / "UV_symmetry_transforms.mat")


def write_symmetry(file: Path) -> None:
    u_cells, v_cells = (np.zeros((1, 24), dtype=object) for _ in range(2))
    columns = np.tile(np.arange(256) / 255, (256, 1))
    for chart in range(24):
        u_cells[0, chart] = (1 - columns) if chart % 2 else columns
        v_cells[0, chart] = columns.T * (chart + 1) / 24
    savemat(file, {"U_transforms": u_cells, "V_transforms": v_cells})
