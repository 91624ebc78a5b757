# Row "DensePose (FCN)" of Fig. 9 and 10: crops of annotated persons.
_base_ = [
    "../_base_/models/dp-fcn_r101.py",
    "../_base_/datasets/densepose_coco_person.py",
    "../_base_/schedules/fcn_40k.py",
    "../_base_/default_runtime.py",
]
