"""The file room: how annotation and result files are read and checked, by one piece of code.

Imports numpy, pycocotools, the standard library and `mmktn.utils` only. Data sets, metrics and
tools ask here, so that a file is refused by all of them or by none, with the same message.
"""
