#!/usr/bin/env bash
# Install the wheel beside openmim 0.3.9 and onedl-mim 0.5.1, each in a fresh environment, and let both train and test a config on the
# CPU. Not part of the test suite: it takes some minutes and needs the package index.
#
# Usage: tools/dev/check_mim.sh [CONFIGS] [ITERATIONS]     both mims; CONFIGS: bare file names of configs/, in one quoted word,
#                                                          or "all" for every CPU-size twin
#        MIMS="openmim==0.3.9" WORK=/some/folder tools/dev/check_mim.sh ...
set -euo pipefail
repo=$(cd "$(dirname "$0")/../.." && pwd)
configs=${1:-ktn2_r18_fpn_smoke_dp-synth.py}
# Students come last: they read labels of the teacher.
[ "$configs" != all ] || configs=$(
  find "$repo/configs" -name '*_cpu_*.py' ! -name '*distill*' -printf '%f\n' | sort
  find "$repo/configs" -name '*distill*_cpu_*.py' -printf '%f\n' | sort
)
iterations=${2:-2}
work=${WORK:-$(mktemp -d)}
python=${BASE_PYTHON:-python3.11}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2} PIP_DISABLE_PIP_VERSION_CHECK=1
unset PYTHONPATH MMKTN_FORCE_STANDINS

teacher=dp-fcn-teacher_r18_cpu_dp-synth
note() { printf '\n=== %s\n' "$*"; }

install_stack() { # venv, mim requirement
  local pip=("$1/bin/python" -m pip --quiet) pins=(-c "$repo/requirements/constraints.txt")
  "$python" -m venv "$1"
  (
    cd "$repo"
    "${pip[@]}" install "${pins[@]}" -r requirements/build.txt -r requirements/runtime.txt -r requirements/torch.txt \
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
  tools=$("$venv/bin/python" -c 'import mmktn, pathlib; print(pathlib.Path(mmktn.__file__).parent / ".mim/tools")')
  people=data/synthetic_densepose
  if [ ! -d $people ]; then
    note "synthetic data"
    "$venv/bin/python" "$tools/dataset_converters/make_synthetic.py" ${SYNTHETIC_ARGS:---out $people --train 8 --val 4}
    "$venv/bin/python" "$tools/dataset_converters/make_synthetic.py" --out data/synthetic_crowd --train 8 --val 4 --size 192 256 \
      --crowd --format coco crowdpose
  fi
  for config in $configs; do
    out="work_dirs/${mim%%=*}/${config%.py}"
    note "$mim: mim train mmktn $config"
    rm -rf "$out"
    # Students read labels: the truth, or those of the teacher, which must have run before them.
    case $config in
      *distill-oracle*)
        rm -rf $people/dense_labels/truth
        "$venv/bin/python" "$tools/dataset_converters/write_dense_labels.py" --from-truth $people/dense/train \
          --ann-file $people/annotations/densepose_train.json --out $people/dense_labels/truth || failed=1 ;;
      *distill*)
        rm -rf $people/dense_labels/teacher
        "$venv/bin/python" "$tools/dataset_converters/write_dense_labels.py" "mmktn::fcn/$teacher.py" \
          "$(cat "work_dirs/${mim%%=*}/$teacher/last_checkpoint")" --out $people/dense_labels/teacher --scales 1 || failed=1 ;;
    esac
    loop="train_cfg.max_iters=$iterations"
    [[ $config != *synthcrowd* ]] || loop="train_cfg.max_epochs=$iterations"
    mim train mmktn "$config" --gpus 0 --work-dir "$out" \
      --cfg-options $loop train_cfg.val_interval="$iterations" \
      default_hooks.checkpoint.interval="$iterations" default_hooks.logger.interval=1 || failed=1
    note "$mim: mim test mmktn $config"
    mim test mmktn "$config" --checkpoint "$(cat "$out/last_checkpoint")" --gpus 0 --work-dir "$out/test" || failed=1
  done
  note "$mim: mim train onedl-mmdetection, mmdet's own tool on a config of ours"
  mim train onedl-mmdetection "$tools/../configs/densepose/smoke/ktn2_r18_fpn_smoke_dp-synth.py" --gpus 0 \
    --work-dir "work_dirs/${mim%%=*}/hosts_own" --cfg-options train_cfg.max_iters="$iterations" train_cfg.val_interval=99 || failed=1
done
note "$([ $failed = 0 ] && echo 'mim trains and tests mmktn from the wheel' || echo 'FAILED, see above')"
exit $failed
