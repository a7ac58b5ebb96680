#!/usr/bin/env bash
# Every figure of one GPU, and whether the backend does what it must there, in one JSON file; under eight minutes.
# Usage: benchmarks/gpu.sh OUT.json [arguments of gpu.py]
#   PYTHON=python3     has NumPy, Numba, SciPy, numba-cuda, CuPy, pytest and hypothesis; torch for the peers
#   BACKEND=cuda       another one, such as numba, takes the same way on a machine without a GPU
#   SMALL=1            tiny sizes, to see that every step runs; no figures to keep
# Needs no network, and writes nothing but OUT.json outside a temporary folder.
set -euo pipefail
out=$(realpath -m "${1:?usage: benchmarks/gpu.sh OUT.json [arguments of gpu.py]}")
shift
cd "$(dirname "$0")/.."
python=$(command -v "${PYTHON:-python3}")

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tree=$scratch/tree site=$scratch/site
mkdir -p "$tree" "$site" "$scratch/cache"
tar --exclude-vcs --exclude='./.*' --exclude=./build --exclude='*.egg-info' --exclude=__pycache__ -cf - . |
    tar -xf - -C "$tree"

# An environment within an environment would not see the outer one's packages, so a folder on the path it is.
if ! "$python" -m pip install --quiet --no-cache-dir --no-index --no-deps --no-build-isolation \
    --disable-pip-version-check --target "$site" "$tree" 2>"$scratch/pip.log"; then
    echo "pip could not install it, so its folders are copied: $(tail -n 1 "$scratch/pip.log")" >&2
    rm -rf "$site"
    mkdir -p "$site"
    cp -r "$tree/src/rheobase" "$site/rheobase"
    for room in neurons learning engine hardware conversion models datasets; do
        cp -r "$tree/$room" "$site/rheobase/$room"
    done
fi

export PYTHONPATH=$site${PYTHONPATH:+:$PYTHONPATH}
export RHEOBASE_CACHE=$scratch/cache/kernels NUMBA_CACHE_DIR=$scratch/cache/numba
export CUPY_CACHE_DIR=$scratch/cache/cupy CUDA_CACHE_PATH=$scratch/cache/cuda TRITON_CACHE_DIR=$scratch/cache/triton
export XDG_CACHE_HOME=$scratch/cache MPLCONFIGDIR=$scratch/cache HYPOTHESIS_STORAGE_DIRECTORY=$scratch/cache/hypothesis
cd "$tree"
"$python" benchmarks/gpu.py "$out" --backend "${BACKEND:-cuda}" ${SMALL:+--small} "$@"
