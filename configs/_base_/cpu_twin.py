# What CPU-size twins of RoI systems share but for the model: synthetic people, a short schedule.
_base_ = ["datasets/densepose_synthetic.py", "schedules/cpu.py", "tta_synthetic.py"]
