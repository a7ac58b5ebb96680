"""Where each field stands in the records of the table by which the kernel finds everything.

A network is data to the kernel: one vector of whole numbers holds a header, the tasks of a step in their
order, and a record for every group, projection and probe. A field is its place in its record.
"""

from __future__ import annotations

#: The header: sizes of the two vectors of input cells, how many steps each is kept for, where they lie;
#: whether some trials stand still, and where it says which; whether to note who sends something, and where.
(
    TRIALS, STRIP, TASKS, N_TASKS, LISTS, N_LISTS, N_GROUPS, TRIAL_BITS, PLACE_BITS,
    FIXED_AT, FIXED_CELLS, FIXED_SLOTS, FLOAT_AT, FLOAT_CELLS, SOME_HALTED, HALTED, WATCHED, BUSY, HEADER,
) = range(19)  # fmt: skip

#: A task: what is done, for how many units, where these are listed, and whether all threads meet after it.
(TASK_KIND, TASK_COUNT, TASK_AT, TASK_MEET, TASK) = range(5)
(
    UPDATE, EMIT_NOISE, EMIT_SPIKES, EMIT_VALUES, PULL_FIXED, PULL_FLOAT, PUSH, ARRIVE, FADE, ON_PRE, ON_POST,
    BUMP, SETTLE, SWEEP, LOOK, COMPUTE, CHANGE, N_KINDS,
) = range(18)  # fmt: skip

#: A group: its size, the ring of its events (a bit for each neuron), what an event carries, who wants it.
(
    G_N, G_WORDS, G_BITS, G_LAST_SLOT, G_PAYLOAD, G_PAYLOADS, G_TALLY, G_MANY, G_LINKS, G_N_LINKS, G_PROBES,
    G_N_PROBES, G_NUMBER, G_KIND, G_EVENTS_IN, G_OWN,
) = range(16)  # fmt: skip
UNIT, WHOLE, REAL = range(3)

#: A Poisson source: its stream of each trial, when its rates change, and which thresholds each neuron has.
(S_KEYS, S_STARTS, S_N_STARTS, S_ROWS, S_ROW_STRIDE, S_BASES, S_LENGTHS, S_THRESHOLDS, S_WIDTH) = range(
    G_OWN, G_OWN + 9
)
#: A source that is fed: the first of its records in the feeds, one for each trial.
S_FEED = G_OWN
#: What one trial of a source is fed with: the step of row 0, rows, and where they lie. Spikes are listed,
#: or counted in an array.
(F_START, F_ROWS, F_AT, F_ROW_STEPS, F_HOLD, F_COUNTED, FEED) = range(7)

#: A private Poisson source, drawn where its target is updated.
(N_KEYS, N_DELAY, N_BASE, N_LENGTH, N_THRESHOLDS, N_WEIGHT, N_TALLY, NOISE) = range(8)

#: A receptor of a population: its cells, the step of their grid, and its private source.
(R_FIXED, R_STEP, R_FLOAT, R_NOISE, RECEPTOR) = range(5)

#: A link from a group to a list of rows to be pushed: the row of its first neuron, and the list.
(L_ROWS, L_LIST, LINK) = range(3)
#: A list of spikes whose rows are pushed: its two counters, its entries, and how long a row may be.
(P_COUNTS, P_ENTRIES, P_SEGMENTS, P_WIDE, LIST) = range(5)
#: An entry: its row, its payload, slot and trial, and the least delay that still lies ahead.
(E_ROW, E_PAYLOAD, E_SLOT, E_TRIAL, E_LEAST, ENTRY) = range(6)

#: A receptor that pulls: its cells, lines and tiles of them, and the projections that it sums in order.
(I_CELL, I_LINE, I_TILES, I_PULLS, I_N_PULLS, INPUT) = range(6)
#: A projection that is pulled: how its weights are stored, whose events it reads, and its weights.
(
    Q_STORAGE, Q_SOURCE, Q_DELAY, Q_WEIGHTS, Q_FIRST, Q_ROWS, Q_COLUMN, Q_COLUMNS,
    Q_IMAGE_WIDTH, Q_IMAGE_HEIGHT, Q_C_IN, Q_C_OUT, Q_KERNEL_H, Q_KERNEL_W, Q_STRIDE_H, Q_STRIDE_W,
    Q_PAD_H, Q_PAD_W, Q_DILATION_H, Q_DILATION_W, Q_GROUPS, Q_OUT_WIDTH,
    Q_STARTS, Q_SOURCES, Q_DELAYS, Q_SYNAPSES, Q_PER_TRIAL, PULL,
) = range(28)  # fmt: skip
DENSE, CONV, LISTED = range(3)

#: A projection that learns: whose events it reads, its rows by source and delay, its incoming synapses, its
#: modulator (-1 if none), steps between sweeps, and between times of homeostasis; then where traces, shared
#: numbers and those of synapses lie.
(
    K_RULE, K_SOURCE, K_TARGET, K_N, K_SOURCES, K_DELAYS, K_N_DELAYS, K_STARTS, K_WEIGHTS, K_TARGETS, K_CELL,
    K_STEP, K_IN_STARTS, K_IN_SYNAPSES, K_PRE, K_CHANGES, K_CONSTANTS, K_MODULATOR, K_EVERY, K_BALANCE,
    K_TRACES,
) = range(21)  # fmt: skip

#: An operator: how much it reads in a trial, where that and what has changed of it lie, its output unit by
#: unit and as it is stored, which element of the output each place holds, how many numbers a unit writes, how
#: many units were computed, whether changes are sent; and its numbers, arguments and sizes.
(
    O_KIND, O_SIZE, O_LAST, O_MOVED, O_FRESH, O_VALUE, O_ELEMENTS, O_OUT, O_DONE, O_TELLS, O_NUMBERS, O_OWN,
) = range(G_OWN, G_OWN + 12)  # fmt: skip
#: An argument of an operator: where it begins in what is read, how much of it a unit reads, and how many
#: units that follow one another read the same.
(A_START, A_WIDTH, A_SHARE, ARGUMENT) = range(4)

#: What an operator reads of one group: how, how many numbers, whose they are and where they go, the operator,
#: how often they changed, how many neurons the group has; then states and constants, as in a population.
(V_KIND, V_N, V_INDEX, V_INTO, V_OPERATOR, V_CHANGES, V_GROUP_N, V_OWN) = range(8)

#: A probe: what it records, in which steps, of which neurons, and where to.
(B_KIND, B_START, B_STOP, B_EVERY, B_PLACES, B_N, B_OUT, B_SLOTS, B_VARIABLE, B_NUMBER, PROBE) = range(11)
SPIKES, COUNTS, SAMPLES = range(3)

#: What a run reports: how many spikes it recorded, and the first NaN.
(M_SPIKED, M_FAULT, MARKS) = range(3)
#: No NaN was met.
NO_FAULT = 2**62
#: Bits of a step within a launch, which has no more than they can tell apart, and of a state variable.
STEP_BITS, STATE_BITS = 12, 6
MOST_STEPS = 1 << STEP_BITS
