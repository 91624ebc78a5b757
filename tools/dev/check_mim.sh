#!/usr/bin/env bash
# Install the wheel beside openmim 0.3.9 and onedl-mim 0.5.1, each in a fresh environment, and let both train and test a config on the
# CPU. Not part of the test suite: it takes some minutes and needs the package index.
#
# Usage: tools/dev/check_mim.sh [CONFIG] [ITERATIONS]     both mims; CONFIG is a bare file name of configs/
#        MIMS="openmim==0.3.9" WORK=/some/folder tools/dev/check_mim.sh ...
set -euo pipefail
repo=$(cd "$(dirname "$0")/../.." && pwd)
config=${1:-ktn2_r18_fpn_smoke_dp-synth.py}
iterations=${2:-2}
work=${WORK:-$(mktemp -d)}
python=${BASE_PYTHON:-python3.11}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2} PIP_DISABLE_PIP_VERSION_CHECK=1
unset PYTHONPATH MMKTN_FORCE_STANDINS

note() { printf '\n=== %s\n' "$*"; }

install_stack() { # venv, mim requirement
  local pip=("$1/bin/python" -m pip --quiet) pins=(-c "$repo/requirements/constraints.txt")
  "$python" -m venv "$1"
  (
    cd "$repo"
    "${pip[@]}" install "${pins[@]}" -r requirements/build.txt -r requirements/runtime.txt \
      -r requirements/hostdeps.txt -r requirements/optional.txt
    "${pip[@]}" install --no-deps "${pins[@]}" -r requirements/mminstall.txt -r requirements/nodeps.txt
  )
  # Its pins go below ours (setuptools 60, rich 13), hence no constraints here.
  "${pip[@]}" install "$2"
  "${pip[@]}" install --no-deps "$wheel"
}

mkdir -p "$work/run"
note "wheel"
"$python" -m venv "$work/build"
"$work/build/bin/pip" --quiet install "setuptools>=64,<82" wheel
# From a clean copy of what git knows, as a release would be built.
rm -rf "$work/source" && mkdir "$work/source"
git -C "$repo" ls-files -z --cached --others --exclude-standard |
  (cd "$repo" && xargs -0 cp --parents -t "$work/source")
"$work/build/bin/pip" --quiet wheel --no-deps --no-build-isolation -w "$work/dist" "$work/source"
wheel=$(ls "$work"/dist/mmktn-*.whl)
echo "$wheel"

failed=0
for mim in ${MIMS:-openmim==0.3.9 onedl-mim==0.5.1}; do
  note "$mim: installing"
  venv="$work/${mim%%=*}"
  [ -x "$venv/bin/mim" ] || install_stack "$venv" "$mim"
  # Somewhere without a copy of the repository, so that only the installed package can be found.
  cd "$work/run"
  export PATH="$venv/bin:$PATH"
  if [ ! -d data/synthetic_densepose ]; then
    note "synthetic data"
    tools=$("$venv/bin/python" -c 'import mmktn, pathlib; print(pathlib.Path(mmktn.__file__).parent / ".mim/tools")')
    "$venv/bin/python" "$tools/dataset_converters/make_synthetic.py" ${SYNTHETIC_ARGS:---out data/synthetic_densepose --train 8 --val 4}
  fi
  out="work_dirs/${mim%%=*}"
  note "$mim: mim train mmktn $config"
  rm -rf "$out"
  mim train mmktn "$config" --gpus 0 --work-dir "$out" \
    --cfg-options train_cfg.max_iters="$iterations" train_cfg.val_interval="$iterations" \
    default_hooks.checkpoint.interval="$iterations" default_hooks.logger.interval=1 || failed=1
  note "$mim: mim test mmktn $config"
  mim test mmktn "$config" --checkpoint "$out/iter_$iterations.pth" --gpus 0 --work-dir "$out/test" || failed=1
done
note "$([ $failed = 0 ] && echo 'mim trains and tests mmktn from the wheel' || echo 'FAILED, see above')"
exit $failed
