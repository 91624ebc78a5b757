#!/usr/bin/env bash
# Do in a fresh environment exactly what docs/install.md prints under "From the wheel": install, ask `doctor`, render people, predict a
# picture. Not part of the test suite: it needs the package index and some minutes; .github/workflows/install.yml runs it each week.
#
# Usage: tools/dev/check_install.sh             BASE_PYTHON=/path/python chooses the interpreter, WORK=/some/folder where all happens,
#                                               PIP_CONSTRAINT=/path/constraints.txt versions (pip's own variable); KEEP=1 keeps the folder
#        tools/dev/check_install.sh --light     what the page prints for an environment without torch
#        tools/dev/check_install.sh --lines     print the lines that would run; --light --lines those without torch
set -euo pipefail
repo=$(cd "$(dirname "$0")/../.." && pwd)
section="From the wheel"
if [ "${1:-}" = --light ]; then
  section="Without torch"
  shift
fi

# The first block of the section.
lines=$(awk -v heading="## $section" '
  $0 == heading { found = 1 }
  found && /^```/ { if (inside) exit; inside = 1; next }
  inside { print }' "$repo/docs/install.md")
[ -n "$lines" ] || { echo "check_install: docs/install.md has no block under '$section'" >&2; exit 1; }
if [ "${1:-}" = --lines ]; then
  printf '%s\n' "$lines"
  exit
fi

python=${BASE_PYTHON:-python3}
work=${WORK:-$(mktemp -d)}
mkdir -p "$work/run" "$work/source"
[ -n "${KEEP:-}" ] || trap 'rm -rf "$work"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=1
unset PYTHONPATH
note() { printf '\n=== %s\n' "$*"; }

note "$("$python" --version): wheel, of what git knows"
git -C "$repo" ls-files -z | (cd "$repo" && tar --null --files-from=- --create) | tar -x -C "$work/source"
new_environment() { # folder; its programs come first from now on
  "$python" -m venv "$1"
  if [ -d "$1/Scripts" ]; then PATH="$1/Scripts:$path"; else PATH="$1/bin:$path"; fi
}
path=$PATH
new_environment "$work/build"
python -m pip install "setuptools<82" wheel twine
python -m pip wheel --no-deps --no-build-isolation -w "$work/dist" "$work/source"
python -m twine check --strict "$work"/dist/*.whl

new_environment "$work/env"
export PIP_FIND_LINKS="$work/dist ${PIP_FIND_LINKS:-}"
cd "$work/run" # no copy of the repository is to be found here
while IFS= read -r line; do
  note "$line"
  started=$SECONDS
  bash -euo pipefail -c "$line"
  echo "($((SECONDS - started)) s)"
done <<<"$lines"

note "what came of it"
find . -type f | sort
