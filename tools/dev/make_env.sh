#!/usr/bin/env bash
# Make or update the project's environment from requirements/constraints.txt. No compiler is needed.
# Usage: tools/dev/make_env.sh [VENV]        BASE_PYTHON=/path/python chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=${1:-.venv}

find_python() {
  local candidate
  for candidate in ${BASE_PYTHON:-python3.11 python3.12 python3.13 python3}; do
    if command -v "$candidate" >/dev/null &&
      "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  echo "make env: no Python >= 3.11 found (looked for ${BASE_PYTHON:-python3.11, python3.12, python3.13, python3})." >&2
  echo "Install Python 3.11 or pass BASE_PYTHON=/path/to/python. mmktn itself runs on 3.10 too: see 'Use it' in the README." >&2
  return 1
}

started=$SECONDS
if [ ! -x "$venv/bin/python" ]; then
  base=$(find_python)
  echo "make env: creating $venv with $("$base" --version)"
  "$base" -m venv "$venv"
fi
pip=("$venv/bin/python" -m pip --disable-pip-version-check --quiet --no-input)
pinned=(-c requirements/constraints.txt)

echo "make env: installing torch and the libraries"
"${pip[@]}" install --no-compile "${pinned[@]}" -r requirements/build.txt -r requirements/runtime.txt -r requirements/torch.txt \
  -r requirements/hostdeps.txt -r requirements/optional.txt -r requirements/tests.txt
# The hosts' own dependency lists name packages that do not build here; hostdeps.txt replaces them. Build isolation keeps torch out of
# sight of mmcv's setup.py, which would otherwise start a quarter-hour compilation.
echo "make env: installing mmengine, mmcv, mmdet, mmpose"
"${pip[@]}" install --no-compile --no-deps "${pinned[@]}" -r requirements/mminstall.txt -r requirements/nodeps.txt
# Editable, so that the repository is what runs; the build hook links configs and tools into mmktn/.mim.
"${pip[@]}" install --no-deps --no-build-isolation --editable .
echo "make env: done in $((SECONDS - started)) s"
