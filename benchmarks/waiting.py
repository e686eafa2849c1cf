"""Measures how many short operations per second two threads complete, for the present way of waiting.

The operation multiplies 227 x 576 fp32 numbers, like one block of RMSNorm in a pass over 512 tokens. Threads of
OpenMP wait for each other at the end of each operation; the environment determines how (`GOMP_SPINCOUNT`,
`OMP_WAIT_POLICY`). On an idle machine it hardly matters; beside other programs it does:

    python -m benchmarks.waiting
    GOMP_SPINCOUNT=500 python -m benchmarks.waiting
    OMP_WAIT_POLICY=passive python -m benchmarks.waiting
"""

from __future__ import annotations

import argparse
import os
import time

import torch


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    x, y, out = (torch.ones(227, 576) for _ in range(3))
    torch.mul(x, y, out=out)
    count, start, used = 0, time.perf_counter(), time.process_time()
    while (wall := time.perf_counter() - start) < options.seconds:
        for _ in range(20):
            torch.mul(x, y, out=out)
        count += 20
    used = time.process_time() - used
    given = [f"{n}={os.environ[n]}" for n in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY") if n in os.environ]
    print(
        f"{options.threads} threads, {' '.join(given) or 'default'}: {count / wall:,.0f} operations per second, "
        f"{1e6 * used / count:.0f} µs of CPU time each; load {os.getloadavg()[0]:.0f}"
    )


if __name__ == "__main__":
    main()
