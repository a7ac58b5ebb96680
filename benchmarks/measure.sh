#!/usr/bin/env bash
# Every figure of docs/performance.md: one JSON line each, for a file in benchmarks/results. About half an hour
# on two cores, with nothing else running.
# Usage: benchmarks/measure.sh PYTHON_WITH_BRIAN2 PYTHON_WITH_NEST PYTHON_WITH_TORCH \
#     [PYTHON_WITH_SPIKINGJELLY_SINABS_NORSE_SNNTORCH [PYTHON_WITH_ANNARCHY]] >> results.jsonl
# The last two may be left out or empty, and so are their peers.
set -euo pipefail
brian="--peer brian2 --peer-python ${1:?}" nest="--peer nest --peer-python ${2:?}"
torch="--peer torch --peer-python ${3:?}" upon_torch=${4-} annarchy=${5-}
bench() { rheobase bench "$@" --json; }

rheobase info --json

# Beside the peers, in turns.
# shellcheck disable=SC2086
{
    bench cuba --threads 1 $brian
    bench cuba --threads 1 $nest
    bench coba --threads 1 $brian
    bench coba --threads 1 $nest
    bench adex --threads 1 $brian
    bench brunel --threads 1 $brian
    bench brunel --threads 1 --repeats 3 $nest
    bench brunel --threads 2 --repeats 3 $brian
    for rule in pair triplet reward; do
        bench stdp --rule $rule --threads 1 $brian
        bench stdp --rule $rule --threads 1 --repeats 3 $nest
    done
    for activity in 0.01 0.05 0.1 0.2; do
        bench mlp --threads 1 --activity $activity $torch
        bench conv --threads 1 --activity $activity $torch
    done
    for activity in 0.3 0.4 0.6; do bench conv --threads 1 --activity $activity --repeats 3 $torch; done
    bench mlp --threads 2 $torch
    bench mlp --threads 1 --batch 64 $torch
    bench mlp --threads 2 --batch 64 $torch
    for scale in 0.1 0.2; do
        for threads in 1 2; do
            bench microcircuit --threads $threads --scale $scale --repeats 3 $brian
        done
        bench microcircuit --threads 1 --scale $scale --repeats 3 $nest
    done
    for threads in 1 2; do bench sparse --threads $threads --repeats 3 $brian; done
    bench sparse --threads 1 --repeats 3 --scale 0.2 $nest
}

# Beside the peers that not everybody has.
if [[ $annarchy ]]; then bench cuba --threads 1 --peer annarchy --peer-python "$annarchy"; fi
if [[ $upon_torch ]]; then
    for peer in spikingjelly sinabs norse snntorch; do
        bench mlp --threads 1 --repeats 3 --peer $peer --peer-python "$upon_torch"
        bench mlp --threads 2 --batch 64 --repeats 3 --peer $peer --peer-python "$upon_torch"
    done
    for model in cnn mlp mixer vit vit_mha swiglu; do
        bench convert --model $model --peer spikingjelly --peer-python "$upon_torch"
    done
    for threads in 1 2; do
        for model in dense recurrent conv; do
            bench train --model $model --threads $threads --peer snntorch --peer-python "$upon_torch"
        done
        for model in dense conv; do
            bench train --model $model --threads $threads --peer spikingjelly --peer-python "$upon_torch"
        done
    done
fi

# Ours alone: with steps and without, the large ones, and cost against size and steps.
for model in LIF CurrentLIF; do bench event --model $model; done
for threads in 1 2; do
    bench microcircuit --threads $threads
    bench sparse --threads $threads
done
for scale in 0.25 4 16; do bench cuba --threads 1 --scale $scale --repeats 3; done
for scale in 0.25 0.5 2; do bench brunel --threads 1 --scale $scale --repeats 3; done
for scale in 0.05 0.1 0.2 0.5; do bench microcircuit --threads 2 --scale $scale --repeats 3; done
for scale in 0.1 0.3; do bench sparse --threads 2 --scale $scale --repeats 3; done
for scale in 0.5 2 4; do bench stdp --threads 1 --scale $scale --repeats 3; done
for scale in 0.5 2 4; do bench mlp --threads 1 --scale $scale --repeats 3; done
for scale in 0.5 2; do bench conv --threads 1 --scale $scale --repeats 3; done
for steps in 25 50 100 200 400; do
    for method in bptt sltt; do bench train --method $method --steps $steps --repeats 3; done
done
