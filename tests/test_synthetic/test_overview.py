import numpy as np

from mmktn.synthetic.overview import contact_sheet, overview_sheet
from mmktn.synthetic.sample import GeneratorOptions, make_sample
from mmktn.synthetic.scene import SceneOptions

SMALL = SceneOptions(size_hw=(128, 96), people=(1, 3))


def test_overview_puts_six_panels_in_a_row():
    samples = [make_sample(GeneratorOptions(scene=SMALL), "train", i) for i in range(2)]
    sheet = overview_sheet(samples)
    assert sheet.shape == (22 + 2 * 128 + 4, 6 * 96 + 5 * 4, 3)
    np.testing.assert_array_equal(sheet[22:150, :96], samples[0].picture)


def test_contact_sheet_shows_pictures_alone_and_fills_up_with_white():
    samples = [make_sample(GeneratorOptions(scene=SMALL), "train", i) for i in range(3)]
    sheet = contact_sheet(samples, columns=2)
    assert sheet.shape == (2 * 128 + 4, 2 * 96 + 4, 3)
    np.testing.assert_array_equal(sheet[132:, :96], samples[2].picture)
    assert (sheet[132:, 100:] == 255).all()
