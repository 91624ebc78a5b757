"""What processes of tests/processes.py have imported when they begin."""

from mmktn.utils.setup_env import register_all_modules

register_all_modules(init_default_scope=False)
